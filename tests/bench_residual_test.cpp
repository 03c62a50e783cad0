// The benchmark of layers with a residual, or with x_hat rounded: what it counts, checks and compares.
#include <cmath>
#include <filesystem>
#include <fstream>

#include "bench/machine.hpp"
#include "bench/naive.hpp"
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

// The reference, but for the last element of s on 64 samples: one unit in the last place.
class OffInS final : public Implementation {
public:
    std::string name() const override { return "off-in-s"; }
    std::string description() const override { return "wrong in one element of s"; }
    Support supports(const Problem&) const override { return {}; }
    std::unique_ptr<Plan> plan(const Problem& p) const override { return std::make_unique<OffPlan>(p); }

private:
    class OffPlan final : public Plan {
    public:
        explicit OffPlan(const Problem& p) : p_(p), right_(find_implementation("reference").plan(p)) {}
        void forward(const ForwardArgs& args) const override {
            right_->forward(args);
            float& last = static_cast<float*>(args.added.s.data)[p_.shape.size() - 1];
            if (p_.shape.N == 64) last = std::nextafter(last, 100.0f);
        }
        void backward(const BackwardArgs& args) const override { right_->backward(args); }

    private:
        Problem p_;
        std::unique_ptr<Plan> right_;
    };
};

}  // namespace

TEST_CASE("the bytes model counts a residual, s and its cotangent, and one array for dx and d_residual") {
    Problem p{rms_norm(), {2, 3, 4}, DType::bf16};
    p.spec.residual = Residual::stored;
    CHECK(minimal_bytes(p, Direction::forward) == 4 * 24 * 2 + 3 * 4);       // x, residual, s, y
    CHECK(minimal_bytes(p, Direction::backward) == 4 * 24 * 2 + 2 * 3 * 4);  // s, dy, ds, dx
}

TEST_CASE("a file's problems may have a residual, and what else is written there is answered") {
    const std::filesystem::path path = std::filesystem::temp_directory_path() / "normlab_bench_test.json";
    const auto read = [&](const std::string& problems) {
        std::ofstream(path) << "{\"problems\": [" << problems << "]}";
        return read_workloads(path);
    };
    const std::string plain = R"({"prim": "lnorm", "shape": [8, 768]})",
                      adds = R"({"prim": "lnorm", "shape": [8, 768], "residual": "stored"})";
    const auto workloads = read(plain + "," + adds + "," + adds);
    REQUIRE(workloads.size() == 2);
    CHECK(workloads[0].text() == "layer_norm 8x768");
    CHECK(workloads[1].text() == "layer_norm 8x768 residual");
    CHECK(workloads[1].spec().residual == Residual::stored);
    CHECK_THROWS_WITH(read(R"({"prim": "lnorm", "shape": [8, 768], "residual": "wide"})"),
                      Contains("problem 1: unknown residual") && Contains("none, stored"));
    CHECK_THROWS_WITH(read(R"({"prim": "lnorm", "shape": [8, 768], "residual": 1})"), Contains("unknown residual"));
    CHECK_THROWS_WITH(read(R"({"prim": "lnorm", "shape": [8, 768], "strides": "sliced"})"),
                      Contains("strides = '\"sliced\"'; of options, eps, activation, cast, residual, output, scale, "));
    const auto options =
        read(plain + R"(,{"prim": "lnorm", "shape": [8, 768], "activation": "silu", "cast": "before"})");
    REQUIRE(options.size() == 2);
    CHECK(options[1].text() == "layer_norm 8x768 silu cast");
    CHECK(options[1].spec().casts());
    CHECK_THROWS_WITH(read(R"({"prim": "lnorm", "shape": [8, 768], "cast": 1})"),
                      Contains("problem 1: unknown cast '1'"));
    std::filesystem::remove(path);
}

TEST_CASE("the gate sees what is wrong with a residual, on the small shape and on the full one alone") {
    Workload w = make_workload("rms_norm", {64, 512});
    w.residual = Residual::stored;
    const auto check = [&](const Implementation& implementation, DType dtype) {
        return Gate(w, {w.spec(), w.shape, dtype}, true).check(implementation, 1);
    };
    for (DType dtype : {DType::f32, DType::bf16, DType::f16}) {
        CAPTURE(name_of(dtype));
        const Gate::Result r = check(find_implementation("cpu"), dtype);
        CHECK(r.forward.wrong == "");
        CHECK(r.backward.wrong == "");
        const auto forward = [&](const char* name) {
            return check(faults::implementation(&faults::find(name)), dtype).forward.wrong;
        };
        CHECK_THAT(forward("s_is_x"), Contains("s in 32x512x1"));
        CHECK_THAT(forward("norm_of_x"), Contains("y in 32x512x1"));
        CHECK_THAT(check(faults::implementation(&faults::find("ds_forgotten")), dtype).backward.wrong,
                   Contains("dx in 32x512x1"));
    }
    CHECK_THAT(check(OffInS(), DType::f32).forward.wrong, Contains("s in the block of n=63"));
    CHECK(check(OffInS(), DType::f32).backward.wrong == "");
}

TEST_CASE("the gate's truth rounds x_hat where the layer does, on the small shape and on the full one") {
    Workload w = make_workload("layer_norm", {64, 512});
    w.cast = Cast::before;
    for (DType dtype : {DType::bf16, DType::f16}) {
        CAPTURE(name_of(dtype));
        const Gate gate(w, {w.spec(), w.shape, dtype}, true);
        const Gate::Result r = gate.check(find_implementation("cpu"), 1);
        CHECK(r.forward.wrong == "");
        CHECK(r.backward.wrong == "");
        for (const char* name : {"cast_forgotten", "cast_of_product"}) {
            CAPTURE(name);
            CHECK_THAT(gate.check(faults::implementation(&faults::find(name)), 1).forward.wrong,
                       Contains("y in 32x512x1"));
        }
    }
}

TEST_CASE("a residual's cost is its row's over the row without it, of the same implementation, cache and run") {
    register_naive();
    Selection s;
    s.workloads = find_workloads("llm");
    s.workloads.resize(2);
    s.dtypes = {DType::f32}, s.implementations = {"naive", "cpu"};
    TimingPlan plan = make_plan(s);
    REQUIRE(plan.rows.size() == 8);
    CHECK(plan.rows[4].name == "rms_norm/1x2048/residual/f32/nchw/train/forward/threads:1/warm");
    derive(plan);
    CHECK_THAT(table_text(plan), !Contains("time/bytes"));
    for (Row& r : plan.rows) r.seconds = {r.problem.spec.adds() ? 3e-6 : 2e-6};
    for (Limit& l : plan.limits) l.seconds = {1e-6};
    plan.rows[7].seconds.clear();  // backward of cpu
    derive(plan);
    for (std::size_t i = 0; i < plan.rows.size(); ++i) CHECK(plan.rows[i].over_alone.has_value() == (i >= 4 && i < 7));
    CHECK(plan.rows[4].over_alone->time == Approx(1.5));
    CHECK(plan.rows[4].over_alone->bytes == Approx(5. / 3));  // of tensors of 8 KiB, and gamma of as many
    CHECK(plan.rows[4].over_alone->ratio() == Approx(0.9));
    CHECK(plan.rows[6].over_alone->bytes == Approx(6. / 5));
    CHECK_THAT(table_text(plan), Contains("1.50 x    0.0 %   1.67 x       0.90") &&
                                     Contains("largest time/bytes: 1.25 (rms_norm/1x2048/residual"));
}

TEST_CASE("a layer is in the same cache with a residual and without, where both are timed") {
    Workload w = make_workload("rms_norm", {1, static_cast<std::int64_t>(last_cache(Device::host).one / 3 / 4)});
    Selection s;
    s.implementations = {"cpu"}, s.directions = {Direction::forward}, s.workloads = {w};
    CHECK(make_plan(s).rows[0].cache == Cache::warm);
    w.residual = Residual::stored, s.workloads.push_back(w);  // four thirds of the cache
    const TimingPlan plan = make_plan(s);
    REQUIRE(plan.rows.size() == 2);
    for (const Row& r : plan.rows) CHECK(r.cache == Cache::cold);
    CHECK(plan.rows[0].sets > plan.rows[1].sets);
    CHECK(plan.rows[1].alone == plan.rows[0].name);
}
