// The benchmark: what it times, what it counts, and that nothing wrong is timed.
#include <atomic>
#include <cstring>
#include <filesystem>

#include "bench/limit.hpp"
#include "bench/naive.hpp"
#include "bench/report.hpp"
#include "io/error.hpp"
#include "norms/memory.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"

using namespace normlab;
using namespace normlab::bench;
using normlab::bench::name_of, normlab::name_of;

namespace {

// The reference, but for one element of y or one entry of dgamma on tensors of a given number of samples; counts its
// calls.
struct Fault {
    std::int64_t samples = -1;  // which problems are spoiled
    bool in_y = false, in_dgamma = false;
    std::int64_t unwritten = -1;  // an element of y and dx that stays as it was
    std::atomic<int> calls = 0;
} fault;

class FaultyPlan final : public Plan {
public:
    explicit FaultyPlan(const Problem& p) : p_(p), right_(find_implementation("reference").plan(p)) {}
    void forward(const ForwardArgs& args) const override {
        ++fault.calls;
        const float before = unwritten() ? static_cast<const float*>(args.y.data)[fault.unwritten] : 0;
        right_->forward(args);
        if (unwritten()) static_cast<float*>(args.y.data)[fault.unwritten] = before;
        if (fault.in_y && p_.shape.N == fault.samples) static_cast<float*>(args.y.data)[p_.shape.size() - 1] += 0.5f;
    }
    void backward(const BackwardArgs& args) const override {
        ++fault.calls;
        right_->backward(args);
        if (fault.in_dgamma && p_.shape.N == fault.samples) static_cast<float*>(args.gradients.dgamma)[0] *= 3;
    }

private:
    bool unwritten() const { return fault.unwritten >= 0 && p_.shape.N == fault.samples; }

    Problem p_;
    std::unique_ptr<Plan> right_;
};

class Faulty final : public Implementation {
public:
    std::string name() const override { return "bench-faulty"; }
    std::string description() const override { return "wrong where a test says so"; }
    Support supports(const Problem&) const override { return {}; }
    // tight bounds; the reference meets them on these shapes
    Accumulation accumulation(DType) const override { return Accumulation::tree; }
    std::unique_ptr<Plan> plan(const Problem& p) const override { return std::make_unique<FaultyPlan>(p); }
};

const Implementation& faulty() {
    static const Implementation& registered = register_implementation(std::make_unique<Faulty>());
    return registered;
}

Selection tiny(std::vector<std::string> implementations) {
    register_naive();
    faulty();
    Selection s;
    s.workloads = {make_workload("group_norm", {3, 6, 5, 7}, 3)};
    s.implementations = std::move(implementations);
    return s;
}

}  // namespace

TEST_CASE("the bytes model counts each tensor once and the parameters") {
    Problem p{batch_norm(), {2, 3, 4}};
    CHECK(minimal_bytes(p, Direction::forward) == 2 * 24 * 4 + 2 * 3 * 4);
    CHECK(minimal_bytes(p, Direction::backward) == 3 * 24 * 4 + 3 * 3 * 4);
    p.dtype = DType::bf16;  // parameters stay f32
    CHECK(minimal_bytes(p, Direction::forward) == 2 * 24 * 2 + 2 * 3 * 4);
    p.spec = weight_norm();  // no beta
    CHECK(minimal_bytes(p, Direction::backward) == 3 * 24 * 2 + 2 * 3 * 4);
}

TEST_CASE("median and spread do not follow one outlier") {
    const Sample s = summarize({1.0, 1.1, 0.9, 1.0, 50.0});
    CHECK(s.median == 1.0);
    CHECK(s.spread == Approx(0.1));
    CHECK(summarize({4, 2}).median == 3);
    CHECK(summarize({7}).spread == 0);
    CHECK_THROWS_AS(summarize({}), Error);
}

TEST_CASE("every named shape set holds valid problems, and an unknown one is answered with the nearest") {
    for (const std::string_view set : shape_sets()) {
        const auto workloads = find_workloads(std::string(set));
        CHECK(!workloads.empty());
        for (const Workload& w : workloads) CHECK_NOTHROW(validate({w.spec(), w.shape}));
    }
    CHECK(find_workloads("peers").size() == 13);
    CHECK(find_workloads("peers")[8].text() == "group_norm 32x64x56x56 G=32");
    for (const Workload& w : find_workloads("llm")) CHECK((w.dtype == DType::bf16 && w.shape.size() <= 1 << 26));
    CHECK(find_workloads("llm").size() == 54);  // each with a residual and without, and five with three outputs
    CHECK(find_workloads("llm")[0].text() == "rms_norm 1x2048");
    CHECK(find_workloads("llm")[1].text() == "rms_norm 1x2048 residual");
    CHECK(find_workloads("llm")[1].spec().residual == Residual::stored);
    CHECK(select_variants(find_workloads("llm"), {"layer_norm"}).size() == 54);
    CHECK(find_workloads("llm")[5].text() == "rms_norm 1x4096 residual output=e4m3 scale=given");
    CHECK(find_workloads("llm")[8].text() == "rms_norm 1x4096 output=e4m3 scale=channels");
    CHECK(find_workloads("diffusion")[0].text() == "group_norm 2x320x64x64 G=32 silu");
    CHECK(find_workloads("diffusion")[0].spec().activation == Activation::silu);
    CHECK(find_workloads("weights")[1].shape == Shape{1, 256, 256 * 9});
    CHECK_THROWS_WITH(find_workloads("resnet"),
                      Catch::Matchers::Contains("did you mean resnet50") && Catch::Matchers::Contains("a file"));
}

TEST_CASE("a variant that the set does not have runs on its distinct shapes") {
    const auto peers = find_workloads("peers");
    CHECK(select_variants(peers, {}).size() == peers.size());
    CHECK(select_variants(peers, {"weight_norm"}).size() == 2);
    const auto renorm = select_variants(peers, {"batch_renorm"});
    // 32x64x56x56, 32x256x14x14 and 128x128 are there more than once (weight norm's 4096x4096 is 1x4096x4096)
    CHECK(renorm.size() == 10);
    for (const Workload& w : renorm) CHECK(w.variant == "batch_renorm");
    for (const Workload& w : select_variants(find_workloads("resnet50"), {"group_norm"})) CHECK(w.groups == 32);
    CHECK_THROWS_AS(select_variants(peers, {"batchnorm"}), Error);
}

TEST_CASE("oneDNN's list of problems is read, repeats skipped") {
    const std::filesystem::path path = std::filesystem::path(SHARED_DIR) / "shapes" / "problems.json";
    if (!std::filesystem::exists(path)) NORMLAB_SKIP(path.string() + " is not there");
    const auto workloads = read_workloads(path);
    CHECK(workloads.size() == 346);  // of 509, distinct in primitive, N, C, S and G
    CHECK(workloads[0].text() == "batch_norm 14x168x10x16");
    CHECK(workloads[0].spec().eps == 0.0625);
    for (const Workload& w : workloads)
        if (w.variant == "layer_norm") CHECK(w.shape.S == 1);
}

TEST_CASE("copy and triad touch every element and nothing else, for any number of threads and either kind of store") {
    for (std::size_t n : {0, 1, 15, 16, 17, 1000, 4099})
        for (int threads : {1, 2, 3})
            for (Stores stores : {Stores::plain, Stores::non_temporal}) {
                if (stores == Stores::non_temporal && !has_non_temporal_stores()) continue;
                const std::size_t bytes = n * sizeof(float);
                Memory a(Device::host, bytes + 256), b(Device::host, bytes + 256), c(Device::host, bytes + 256);
                auto *x = static_cast<float*>(a.data()), *y = static_cast<float*>(b.data()),
                     *z = static_cast<float*>(c.data());
                for (std::size_t i = 0; i < n + 64; ++i) x[i] = -1, y[i] = static_cast<float>(i), z[i] = 2;
                stream(Direction::forward, stores, threads, x, y, z, bytes);
                CHECK(std::memcmp(x, y, bytes) == 0);
                CHECK(x[n] == -1);
                stream(Direction::backward, stores, threads, x, y, z, bytes);
                bool right = true;
                for (std::size_t i = 0; i < n; ++i) right &= x[i] == static_cast<float>(i) + 1;
                CHECK(right);
                CHECK(x[n] == -1);
            }
}

TEST_CASE("the gate passes right implementations of every variant, layout, dtype and mode") {
    register_naive();
    for (const Variant& v : variants)
        for (Layout layout : {Layout::channels_first, Layout::channels_last})
            for (DType dtype : {DType::f32, DType::f64})
                for (Mode mode : {Mode::train, Mode::eval})
                    for (Residual residual : {Residual::none, Residual::stored}) {
                        Workload w{std::string(v.name), "", {4, 6, 35}, v.make().groups > 1 ? 2 : 1, {}};
                        w.residual = residual;
                        const Problem p{w.spec(), w.shape, dtype, layout, mode};
                        const Gate gate(w, p, true);
                        for (const char* name : {"naive", "reference"}) {
                            CAPTURE(v.name, name_of(layout), name_of(dtype), name_of(mode), name, name_of(residual));
                            if (p.spec.is_partial() && !find_implementation(name).supports(p)) continue;
                            const Gate::Result r = gate.check(find_implementation(name), 1);
                            CHECK(r.forward.wrong == "");
                            CHECK(r.backward.wrong == "");
                            CHECK(r.forward.ratio > 0);
                            CHECK(r.backward.ratio > 0);
                        }
                    }
}

TEST_CASE("more channels than truth affords keep whole groups") {
    const Workload w = make_workload("group_norm", {2, 131072}, 32768);
    const Shape cut = Gate::cut_down({w.spec(), w.shape});
    CHECK(cut.C % 32768 == 0);
    CHECK(cut.C > 0);
}

TEST_CASE("the gate sees a fault that only the full shape has") {
    const Workload w = make_workload("layer_norm", {64, 512});
    const Problem p{w.spec(), w.shape};
    CHECK(Gate::cut_down(p).N < 64);
    const Gate gate(w, p, true);
    fault.samples = 64, fault.in_y = fault.in_dgamma = false;
    CHECK(gate.check(faulty(), 1).forward.wrong == "");
    CHECK(gate.check(faulty(), 1).backward.wrong == "");
    fault.in_y = true;
    CHECK_THAT(gate.check(faulty(), 1).forward.wrong, Catch::Matchers::Contains("y in the block of n=63"));
    CHECK(gate.check(faulty(), 1).backward.wrong == "");
    fault.in_y = false, fault.in_dgamma = true;
    CHECK_THAT(gate.check(faulty(), 1).backward.wrong, Catch::Matchers::Contains("dgamma in channel 0"));
    CHECK(gate.check(faulty(), 1).forward.wrong == "");
    fault.in_dgamma = false, fault.unwritten = 21 * 512 + 7;  // in no block that is compared
    CHECK_THAT(gate.check(faulty(), 1).forward.wrong, Catch::Matchers::Contains("element 10759"));
    fault.unwritten = -1, fault.in_dgamma = true;
    fault.samples = Gate::cut_down(p).N;  // and one that only the other shape has
    CHECK_THAT(gate.check(faulty(), 1).backward.wrong, Catch::Matchers::Contains("dgamma in 32x512x1"));
    fault.in_dgamma = false;
}

TEST_CASE("a wrong implementation is reported and not timed, a right one beside it is") {
    bench::TimingPlan plan = make_plan(tiny({"naive", "bench-faulty"}));
    REQUIRE(plan.rows.size() == 4);
    fault.samples = 3, fault.in_y = true;
    check(plan, [](std::size_t, std::size_t) {});
    const int calls = fault.calls;
    std::size_t done = 0, total = 0;
    const std::string json =
        bench::time(plan, {.seconds = 0.1}, [&](std::size_t d, std::size_t t) { done = d, total = t; });
    fault.in_y = false;
    CHECK(done == total);
    const auto row = [&](Direction d, std::string_view name) {
        return *std::ranges::find_if(
            plan.rows, [&](const Row& r) { return r.direction == d && r.implementation->name() == name; });
    };
    CHECK(!row(Direction::forward, "bench-faulty").timed());
    CHECK(row(Direction::backward, "bench-faulty").timed());
    CHECK(fault.calls > calls);
    for (Direction d : {Direction::forward, Direction::backward}) {
        const Row r = row(d, "naive");
        CHECK(r.seconds.size() >= 3);
        CHECK(r.time.median > 0);
        CHECK(r.part_of_limit > 0);
        CHECK(r.against_others.has_value() == (d == Direction::backward));
        CHECK(r.checked.ratio > 0);
        CHECK(r.checked.ratio <= 1);
    }
    CHECK(!all_right(plan));
    CHECK_THAT(table_text(plan), Catch::Matchers::Contains("WRONG, not timed") &&
                                     Catch::Matchers::Contains("WRONG group_norm/3x6x5x7/G:3"));
    CHECK_THAT(summary_line(plan, 1), Catch::Matchers::Contains("3 rows timed, 1 wrong"));
    CHECK_THAT(json, Catch::Matchers::Contains("\"error_occurred\": true") &&
                         Catch::Matchers::Contains("\"part_of_limit\"") && Catch::Matchers::Contains("\"commit\""));
    CHECK_THAT(figure(plan).script, Catch::Matchers::Contains("naive"));
}

TEST_CASE("a wrong implementation is never called by the clock") {
    Selection s = tiny({"bench-faulty"});
    s.directions = {Direction::forward};
    bench::TimingPlan plan = make_plan(s);
    fault.samples = 3, fault.in_y = true;
    check(plan, [](std::size_t, std::size_t) {});
    const int calls = fault.calls;
    bench::time(plan, {.seconds = 0.1}, [](std::size_t, std::size_t) {});
    CHECK(fault.calls == calls);
    fault.in_y = false;
}

TEST_CASE("cold rows rotate over more than the last cache, warm ones over one set, and the choice follows the size") {
    Selection s = tiny({"naive"});
    s.directions = {Direction::forward};
    CHECK(make_plan(s).rows[0].cache == Cache::warm);
    s.caches = {Cache::cold, Cache::warm};
    const bench::TimingPlan plan = make_plan(s);
    REQUIRE(plan.rows.size() == 2);
    CHECK(plan.rows[0].sets * 2 * tensor_bytes(plan.rows[0].problem) > (std::size_t{1} << 20));
    CHECK(plan.rows[1].sets == 1);
    // 4 GiB a tensor: nothing is allocated by planning
    s.caches = {}, s.workloads = {make_workload("batch_norm", {4096, 4096, 64})};
    const bench::TimingPlan large = make_plan(s);
    CHECK((large.rows.empty() ? !large.left_out.empty() : large.rows[0].cache == Cache::cold));
}
