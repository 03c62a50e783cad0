// gamma and beta of other entries than one a channel.

#include <set>

#include "norms/names.hpp"
#include "norms/norm.hpp"
#include "norms/plugin.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "tests/reads.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/check/session.hpp"
#include "verify/faults/layer.hpp"
#include "verify/run/run_cases.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

constexpr AffineSet all_sets[] = {AffineSet::channel, AffineSet::element, AffineSet::sample_channel, AffineSet::group};

Case with_set(std::string_view variant, AffineSet set, const Shape& shape, DType dtype = DType::f64) {
    Case c;
    c.variant = variant, c.affine_set = set, c.shape = shape, c.dtype = dtype;
    if (c.spec().groups > 1) c.groups = shape.C % 3 == 0 ? 3 : 1;
    return c;
}

void within(const std::vector<double>& got, const std::vector<truth::Wide>& right, const std::vector<double>& bound) {
    REQUIRE(got.size() == right.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(truth::distance(got[i], right[i]) <= bound[i]);
}

void judge(const Implementation& implementation, const Inputs<double>& in) {
    const truth::Result t = truth::evaluate(in);
    const Bounds bounds = error_bounds(in, t, implementation.accumulation(in.problem.dtype));
    const Outputs<double> out = run(implementation, in);
    within(out.y, t.y, bounds.y), within(out.dx, t.dx, bounds.dx);
    within(out.dgamma, t.dgamma, bounds.dgamma), within(out.dbeta, t.dbeta, bounds.dbeta);
}

}  // namespace

TEST_CASE("an affine set says how many entries gamma and beta have, and which an element uses") {
    Problem p{group_norm(3), {2, 6, 3}};
    const std::int64_t counts[] = {6, 18, 12, 3};
    for (const AffineSet set : all_sets) {
        CAPTURE(name_of(set));
        p.spec.affine_set = set;
        CHECK_NOTHROW(validate(p));
        CHECK(p.affine_count() == counts[static_cast<std::size_t>(set)]);
        std::set<std::size_t> used;
        for (std::size_t i = 0; i < 36; ++i) used.insert(p.affine_entry(i));
        CHECK(std::ssize(used) == p.affine_count());
        CHECK(*used.rbegin() + 1 == used.size());
    }
    const std::size_t i = (1 * 6 + 4) * 3 + 2;  // n = 1, c = 4, s = 2
    for (const auto& [set, entry] : {std::pair(AffineSet::channel, 4u),
                                     {AffineSet::element, 14u},
                                     {AffineSet::sample_channel, 10u},
                                     {AffineSet::group, 2u}}) {
        p.spec.affine_set = set;
        CHECK(p.affine_entry(i) == entry);
    }
    p.spec.affine_set = static_cast<AffineSet>(4);
    CHECK_THROWS_WITH(validate(p), Contains("affine_set = 4; 0 to 3 is accepted"));
    CHECK_THROWS_WITH(parse_case("layer_norm cpu f32 nchw 2x3x4 affine_set=elements"),
                      Contains("did you mean element?"));
    CHECK_THROWS_WITH(parse_case("layer_norm cpu f32 nchw 2x2x2 affine_set=element gamma=1,2"),
                      Contains("gamma has 2 values; 4 are accepted"));
    const char* text = "layer_norm cpu f32 nchw train 2x3x4 affine_set=sample_channel seed=1 check=accuracy";
    CHECK(parse_case(text).text() == text);
}

TEST_CASE("dgamma and dbeta sum over the elements of an entry, whatever the layout of the data") {
    for (const Layout layout : {Layout::channels_first, Layout::channels_last})
        for (const AffineSet set : all_sets) {
            Case c = with_set("group_norm", set, {4, 6, 5});
            c.layout = layout;
            const Inputs<double> in = draw(c);
            std::vector<double> dbeta(static_cast<std::size_t>(in.problem.affine_count())), dgamma = dbeta;
            const truth::Result t = truth::evaluate(in), by_tape = truth::evaluate_by_tape(in);
            for (std::size_t k = 0; k < in.dy.size(); ++k) {
                const std::size_t n = k / 30, channel = k / 5 % 6, s = k % 5;
                const std::size_t entry[] = {channel, channel * 5 + s, n * 6 + channel, channel / 2};
                const std::size_t e = entry[static_cast<std::size_t>(set)];
                dbeta[e] += in.dy[k], dgamma[e] += in.dy[k] * t.x_hat[k].high;
                const double y = in.gamma[e] * t.x_hat[k].high + in.beta[e];
                CHECK(t.y[k].high == Approx(y).epsilon(1e-13).margin(1e-13));
            }
            for (const char* name : {"reference", "cpu"}) {
                CAPTURE(name, name_of(set), name_of(layout));
                if (!find_implementation(name).supports(in.problem)) continue;
                const Outputs<double> out = run(find_implementation(name), in);
                REQUIRE(out.dbeta.size() == dbeta.size());
                for (std::size_t e = 0; e < dbeta.size(); ++e) {
                    CHECK(out.dbeta[e] == Approx(dbeta[e]).epsilon(1e-13).margin(1e-13));
                    CHECK(out.dgamma[e] == Approx(dgamma[e]).epsilon(1e-12).margin(1e-12));
                    // both ways have 85 bits or more: they differ by an ulp of a double, below 1e-14 for sums up to 64
                    CHECK(truth::distance(by_tape.dgamma[e].high, t.dgamma[e]) < 1e-14);
                }
            }
        }
}

TEST_CASE("layer norm of elements is layer norm of as many channels, to the last bit of the cpu kernels") {
    const Implementation& cpu = find_implementation("cpu");
    for (const char* variant : {"layer_norm", "rms_norm", "l2_norm"})
        for (const DType dtype : {DType::f64, DType::f32, DType::bf16})
            for (const Shape& shape : {Shape{3, 4, 5}, Shape{70, 7, 9}, Shape{2, 1, 37}, Shape{2, 33, 1}}) {
                const Inputs<double> in = draw(with_set(variant, AffineSet::element, shape, dtype));
                Inputs<double> flat = in;
                flat.problem.spec.affine_set = AffineSet::channel;
                flat.problem.shape = {shape.N, shape.C * shape.S, 1};
                CAPTURE(variant, name_of(dtype), shape.N, shape.C, shape.S);
                const Outputs<double> got = run(cpu, in), right = run(cpu, flat);
                CHECK(got.y == right.y);
                CHECK(got.dx == right.dx);
                CHECK(got.dgamma == right.dgamma);
                CHECK(got.dbeta == right.dbeta);
            }
}

TEST_CASE("every implementation is right in the sets that it has, and the cpu kernels have the common ones") {
    std::size_t served = 0;
    const Implementation& cpu = find_implementation("cpu");
    for (const Variant* v : all_variants())
        for (const AffineSet set : all_sets)
            for (const Layout layout : {Layout::channels_first, Layout::channels_last})
                for (const Shape& shape : {Shape{5, 6, 3}, Shape{2, 3, 67}, Shape{1, 6, 9}, Shape{4, 66, 2}}) {
                    Case c = with_set(v->name, set, shape, shape.S == 3 ? DType::f32 : DType::f64);
                    c.layout = layout;
                    if (shape.C == 66) c.gamma_offset = 1;
                    if (!is_valid(c)) continue;
                    CAPTURE(c.text());
                    const Inputs<double> in = draw(c);
                    judge(find_implementation("reference"), in);
                    if (!cpu.supports(in.problem)) continue;
                    judge(cpu, in);
                    served += set != AffineSet::channel;
                }
    CHECK(served > 30);
    CHECK(cpu.supports({with_set("layer_norm", AffineSet::element, {2, 3, 4}).spec(), {2, 3, 4}}));
    CHECK(cpu.supports({with_set("instance_norm", AffineSet::sample_channel, {2, 3, 4}).spec(), {2, 3, 4}}));
    CHECK_THAT(cpu.supports({with_set("batch_norm", AffineSet::sample_channel, {2, 3, 4}).spec(), {2, 3, 4}}).reason,
               Contains("not one a channel"));
}

TEST_CASE("instance norm whose gamma is a sample's keeps running statistics, one a channel") {
    Case c = with_set("instance_norm", AffineSet::sample_channel, {4, 3, 40});
    c.running = Running::unbiased_variance;
    Inputs<double> in = draw(c), plain = in;
    plain.problem.spec.affine_set = AffineSet::channel, plain.gamma.clear(), plain.beta.clear();
    for (const char* name : {"reference", "cpu"}) {
        CAPTURE(name);
        const Outputs<double> got = run(find_implementation(name), in), right = run(find_implementation(name), plain);
        CHECK(got.state.mean == right.state.mean);
        CHECK(got.state.var == right.state.var);
        CHECK(got.state.count == right.state.count);
        judge(find_implementation(name), in);
    }
    in.problem.mode = Mode::eval;
    CHECK_FALSE(find_implementation("cpu").supports(in.problem));
    judge(find_implementation("reference"), in);
}

TEST_CASE("threads, misaligned arrays and gradients that are not asked for change nothing, with other entries") {
    for (const auto& [variant, set] : {std::pair("layer_norm", AffineSet::element),
                                       {"rms_norm", AffineSet::sample_channel},
                                       {"group_norm", AffineSet::sample_channel},
                                       {"instance_norm", AffineSet::sample_channel}})
        for (const DType dtype : {DType::f32, DType::bf16}) {
            const Inputs<double> in = draw(with_set(variant, set, {67, 33, 31}, dtype));
            const auto outputs = [&](Wanted wanted, int threads, std::size_t offset) {
                Session session(find_implementation("cpu"), in.problem, {.threads = threads, .offset = offset});
                session.write(in);
                session.forward();
                session.backward(wanted);
                return session.outputs();
            };
            CAPTURE(variant, name_of(dtype));
            const Outputs<double> all = outputs({}, 1, 0), other = outputs({}, 3, 1);
            CHECK(other.y == all.y);
            CHECK(other.dx == all.dx);
            CHECK(other.dgamma == all.dgamma);
            CHECK(other.dbeta == all.dbeta);
            CHECK(outputs({.dgamma = false}, 2, 0).dbeta == all.dbeta);
            CHECK(outputs({.dbeta = false}, 2, 0).dgamma == all.dgamma);
        }
}

TEST_CASE("what is one a channel by nature declines other entries") {
    Spec spec = batch_norm();
    const State state = initial_state(spec, 3);
    CHECK_NOTHROW(fold(spec, state, {}, DType::f32));
    spec.affine_set = AffineSet::sample_channel;
    CHECK_THROWS_WITH(fold(spec, state, {}, DType::f32), Contains("affine_set = channel is accepted"));
    for (const char* check : {"identity", "scale_invariance", "bias_invariance", "fold", "cross_variant"}) {
        Case c = with_set("batch_norm", AffineSet::element, {4, 6, 3});
        c.check = check;
        CHECK_THAT(find_check(check).refuses(c), Contains("one a channel"));
    }
}

TEST_CASE("a plug-in of an older version, or that does not say it reads it, is not asked for affine_set") {
    Problem asked{layer_norm(), {2, 3, 4}};
    asked.spec.affine_set = AffineSet::element;
    check_that_it_must_read(asked, NORMLAB_READS_AFFINE, 5, "affine_set");
}
