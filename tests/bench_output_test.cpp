// The benchmark of layers whose y is of another type than the data: what it counts, checks and compares.
#include <filesystem>
#include <fstream>

#include "bench/report.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/faults/naming.hpp"
#include "verify/faults/table.hpp"

using namespace normlab;
using namespace normlab::bench;
using Catch::Matchers::Contains;
using normlab::bench::name_of, normlab::name_of;
namespace faults = normlab::verify::faults;

namespace {

// The reference, but for the last q of 64 samples, or the last scale, which is off by one in a hundred.
class OffInOutput final : public Implementation {
public:
    explicit OffInOutput(bool in_scale) : in_scale_(in_scale) {}
    std::string name() const override { return "off-in-output"; }
    std::string description() const override { return "wrong in one element of q or scale"; }
    Support supports(const Problem&) const override { return {}; }
    std::unique_ptr<Plan> plan(const Problem& p) const override { return std::make_unique<OffPlan>(p, in_scale_); }

private:
    class OffPlan final : public Plan {
    public:
        OffPlan(const Problem& p, bool in_scale)
            : p_(p), in_scale_(in_scale), right_(find_implementation("reference").plan(p)) {}
        void forward(const ForwardArgs& args) const override {
            right_->forward(args);
            if (p_.shape.N != 64) return;
            if (in_scale_) args.scale[p_.scale_count() - 1] *= 1.01f;
            else static_cast<std::uint8_t*>(args.y.data)[p_.shape.size() - 1] ^= 1;
        }
        void backward(const BackwardArgs& args) const override { right_->backward(args); }

    private:
        Problem p_;
        bool in_scale_;
        std::unique_ptr<Plan> right_;
    };
    bool in_scale_;
};

}  // namespace

TEST_CASE("the bytes model counts a y of another type by its own size, and its scales") {
    Problem p{rms_norm(), {2, 300, 1}, DType::bf16};
    p.spec.output = DType::f32;
    CHECK(minimal_bytes(p, Direction::forward) == 600 * 2 + 600 * 4 + 300 * 4);
    p.spec.output = DType::e4m3;
    CHECK(minimal_bytes(p, Direction::forward) == 600 * 2 + 600 + 300 * 4 + 4);
    p.spec.scale = Scale::channels, p.spec.residual = Residual::stored;
    CHECK(minimal_bytes(p, Direction::forward) == 3 * 600 * 2 + 600 + 300 * 4 + 2 * 3 * 4);
    CHECK(minimal_bytes(p, Direction::backward) == 4 * 600 * 2 + 2 * 300 * 4);
}

TEST_CASE("a file's problems may have an output with its scale, and what no layer has is answered") {
    const std::filesystem::path path = std::filesystem::temp_directory_path() / "normlab_bench_output_test.json";
    const auto read = [&](const std::string& rest, const char* prim = "lnorm") {
        std::ofstream(path) << R"({"problems": [{"G": 1, "shape": [8, 768], "prim": ")" << prim << "\"" << rest
                            << R"(}, {"prim": "lnorm", "shape": [8, 768]}]})";
        const auto workloads = read_workloads(path);
        REQUIRE(workloads.size() == 2);
        return workloads[0];
    };
    CHECK(read(R"(, "output": "f32")").text() == "layer_norm 8x768 output=f32");
    const Workload w = read(R"(, "output": "e5m2", "scale": "channels", "scale_power_of_two": true)");
    CHECK(w.text() == "layer_norm 8x768 output=e5m2 scale=channels power_of_two");
    CHECK((w.spec().output == DType::e5m2 && w.spec().scale == Scale::channels && w.spec().scale_power_of_two));
    CHECK(read(R"(, "output": "e4m3", "scale_inverse": true)").text() ==
          "layer_norm 8x768 output=e4m3 scale=given inverse");
    CHECK_THROWS_WITH(read(R"(, "output": "f16")"), Contains("problem 1: unknown output"));
    CHECK_THROWS_WITH(read(R"(, "output": "e4m3", "scale": "row")"), Contains("unknown scale"));
    CHECK_THROWS_WITH(read(R"(, "scale": "block")"), Contains("output = e4m3 or e5m2 is accepted"));
    CHECK_THROWS_WITH(read(R"(, "output": "e4m3", "scale_inverse": 1)"), Contains("true or false is accepted"));
    CHECK_THROWS_WITH(read(R"(, "output": "e4m3", "scale": "channels")", "gnorm"), Contains("of lnorm"));
    CHECK_THROWS_WITH(read(R"(, "output": "e4m3", "scale_value": 1)"), Contains("scale_inverse are accepted"));
    std::filesystem::remove(path);
}

TEST_CASE("the gate judges a y of another type, its numbers and its scales, on both shapes") {
    Workload w = make_workload("rms_norm", {64, 512});
    w.output = DType::f32;
    CHECK(Gate(w, {w.spec(), w.shape, DType::bf16}, false).check(find_implementation("cpu"), 1).forward.wrong == "");
    for (const DType output : {DType::e4m3, DType::e5m2})
        for (const Scale scale : {Scale::given, Scale::block, Scale::channels})
            for (const Residual residual : {Residual::none, Residual::stored}) {
                w.output = output, w.scale = scale, w.residual = residual;
                w.scale_inverse = residual == Residual::none;
                const Gate gate(w, {w.spec(), w.shape, DType::bf16}, false);
                CAPTURE(w.text());
                CHECK(gate.check(find_implementation("cpu"), 2).forward.wrong == "");
                const auto wrong = [&](const char* fault) {
                    return gate.check(faults::implementation(&faults::find(fault)), 1).forward.wrong;
                };
                CHECK_THAT(wrong("output_truncated"), Contains("in 32x512x1"));
                if (scale != Scale::given) CHECK_THAT(wrong("scale_of_half"), Contains("in 32x512x1"));
                for (const bool in_scale : {false, true})
                    if (!in_scale || scale != Scale::given)
                        CHECK_THAT(gate.check(OffInOutput(in_scale), 1).forward.wrong,
                                   Contains("in the block of n=63"));
            }
}

TEST_CASE("an output's cost is its row's over the row without it, with the same residual, in the same cache") {
    Selection s;
    s.workloads = find_workloads("llm");
    s.workloads = {s.workloads.begin() + 2, s.workloads.begin() + 6};  // 1x4096, and that with a scale that is given
    s.implementations = {"cpu"};
    TimingPlan plan = make_plan(s);
    REQUIRE(plan.rows.size() == 6);  // forward and backward; of an output forward alone
    for (Row& r : plan.rows) r.seconds = {r.problem.spec.output ? 3e-6 : 2e-6};
    for (Limit& l : plan.limits) l.seconds = {1e-6};
    derive(plan);
    CHECK(plan.rows[4].alone == plan.rows[0].name);
    CHECK(plan.rows[5].alone == plan.rows[2].name);
    CHECK(plan.rows[4].over_alone->time == Approx(1.5));
    CHECK(plan.rows[4].over_alone->bytes == Approx((3 * 4096 + 4 * 4096 + 4) / (4 * 4096 + 4. * 4096)));
    CHECK(plan.rows[5].over_alone->bytes == Approx((7 * 4096 + 4 * 4096 + 4) / (8 * 4096 + 4. * 4096)));
    CHECK_THAT(table_text(plan), Contains("with an output, or a residual, over without"));
    REQUIRE(plan.left_out.size() == 1);
    CHECK_THAT(plan.left_out[0], Contains("backward is that of the layer without an output"));
}
