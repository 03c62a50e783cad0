// Positions of samples left out by a mask: numbers by hand, for few elements and for none, with NaN under the mask;
// what declines it.

#include <cmath>
#include <limits>

#include "norms/norm.hpp"
#include "norms/operation.hpp"
#include "norms/variants.hpp"
#include "tests/by_hand.hpp"
#include "tests/catch.hpp"
#include "tests/reads.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/exchange/recorder.hpp"
#include "verify/faults/naming.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

constexpr double no_number = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

// One channel, f64.
Inputs<double> masked(Spec spec, const Shape& shape, const Numbers& x, const std::vector<std::uint8_t>& mask,
                      const Numbers& dy = {}) {
    spec.masked = true;
    Inputs<double> in{{spec, shape, DType::f64}, x, dy, {2}, {10}, initial_state(spec, shape.C)};
    in.mask = mask;
    return in;
}

const Implementation& reference() { return find_implementation("reference"); }

// Of the reference, of the planted faults' layer and of both ways to truth.
struct Right {
    Numbers y, dx, dgamma, dbeta, running_mean, running_spread;
    std::int64_t steps = 0;
};
void judge(const Inputs<double>& in, const Right& right) {
    for (const Implementation* implementation : {&reference(), &faults::implementation(nullptr)}) {
        CAPTURE(implementation->name());
        const Outputs<double> out = run(*implementation, in);
        same(out.y, right.y), same(out.dx, right.dx), same(out.dgamma, right.dgamma), same(out.dbeta, right.dbeta);
        same(out.state.mean, right.running_mean), same(spread_of(out.state), right.running_spread);
        CHECK(out.state.count == in.state.count + right.steps);
    }
    for (const truth::Result& t : {truth::evaluate_by_tape(in), truth::evaluate_by_formula(in)}) {
        same(t.y, right.y), same(t.dx, right.dx), same(t.dgamma, right.dgamma), same(t.dbeta, right.dbeta);
        same(t.running_mean, right.running_mean), same(t.running_spread, right.running_spread);
        CHECK(t.steps == right.steps);
    }
}

}  // namespace

TEST_CASE("mask: its words, and where there is none") {
    const char* text = "layer_norm reference f32 nchw train 5x6x7 mask=tail seed=1 check=accuracy";
    CHECK(parse_case(text).text() == text);
    CHECK(parse_case(text).spec().masked);
    CHECK_THROWS_WITH(parse_case("layer_norm reference f32 nchw 5x6x7 mask=head"),
                      Contains("tail, scattered, all, one, poisoned"));
    Problem weights{weight_norm(), {1, 3, 4}};
    weights.spec.masked = true;
    CHECK_THROWS_WITH(validate(weights), Contains("weights have no samples and positions to mask"));
    Spec spec = batch_norm();
    spec.masked = true;
    CHECK_THROWS_WITH(fold(spec, initial_state(spec, 3), {}, DType::f32), Contains("masked = false is accepted"));
    CHECK_THROWS_WITH(Population(spec, 3, Average::paper), Contains("masked = false is accepted"));
    CHECK_THAT(find_check("power_of_two").refuses(parse_case(text)), Contains("of which no mask leaves anything out"));
    CHECK_FALSE(Operation({spec, {2, 3, 4}}, reference()).supports_backward_backward());
    CHECK_THAT(find_implementation("cpu").supports({spec, {2, 3, 4}}).reason, Contains("mask"));
    CHECK_THAT(record(parse_case(text)).left_out, Contains("whether the script takes a mask is fixed"));
}

TEST_CASE("mask: one that is missing, or not asked for, is refused before anything is written") {
    Inputs<double> in = masked(batch_norm(), {2, 1, 2}, {1, 2, 3, 4}, {1, 1, 1, 0}, {1, 1, 1, 1});
    in.mask.clear();
    CHECK_THROWS_WITH(run(reference(), in), Contains("null mask; a byte for each sample and position is accepted"));
    in.mask = {1, 1, 1, 0}, in.problem.spec.masked = false;
    CHECK_THROWS_WITH(run(reference(), in), Contains("has no mask: null is accepted"));
}

TEST_CASE("mask: a plug-in of an older version, or that does not say it reads it, is not asked for one") {
    Problem p{layer_norm(), {2, 3, 4}};
    p.spec.masked = true;
    check_that_it_must_read(p, NORMLAB_READS_MASK, 7, "masked");
}

// x = 0, 0, 3 is left: mean 1, var 2, of m - 1 = 2 it is 3. With eps = 2 rstd = 1/2, and x_hat = -1/2, -1/2, 1.
// g = 2 dy = 2, 4, 6: mean 4, mean(g x_hat) = (-1 - 2 + 6) / 3 = 1.
TEST_CASE("mask: batch norm by hand, NaN and infinities under the mask") {
    Spec spec = batch_norm();
    spec.eps = 2, spec.momentum = 0.5;
    for (const double under : {7.0, no_number, inf}) {
        CAPTURE(under);
        const Inputs<double> in = masked(spec, {2, 1, 3}, {0, under, 0, under, 3, under}, {1, 0, 0xff, 0, 2, 0},
                                         {1, under, 2, -under, 3, under});
        judge(in, {.y = {9, 0, 9, 0, 12, 0},
                   .dx = {-0.75, 0, 0.25, 0, 0.5, 0},
                   .dgamma = {1.5},
                   .dbeta = {6},
                   .running_mean = {0.5},
                   .running_spread = {2},
                   .steps = 1});
    }
}

TEST_CASE("mask: nothing left leaves State alone, one element an unbiased variance") {
    for (const Running running : {Running::unbiased_variance, Running::biased_variance}) {
        Spec spec = batch_norm();
        spec.momentum = 0.5, spec.running = running;
        Inputs<double> none = masked(spec, {2, 1, 2}, {no_number, 2, 3, inf}, {0, 0, 0, 0}, {no_number, 1, 1, 1});
        none.state.count = 3;
        judge(none, {{0, 0, 0, 0}, {0, 0, 0, 0}, {0}, {0}, {0}, {1}, 0});
        const Saved saved = run(reference(), none).saved;
        same(saved.mean, {0}), same(saved.var, {0}), same(saved.rstd, {0});
        const double moved = running == Running::biased_variance ? 0.5 : 1;
        judge(masked(spec, {2, 1, 2}, {no_number, 2, 3, inf}, {0, 0, 1, 0}, {no_number, 1, 1, 1}),
              {{0, 0, 10, 0}, {0, 0, 0, 0}, {0}, {1}, {1.5}, {moved}, 1});
    }
}

// Samples of which 0, 1 and 3 elements are left: means - , 4 and 1; variances - , - and 3.
TEST_CASE("mask: instance norm averages over the samples that have something left") {
    Spec spec = instance_norm();
    spec.running = Running::unbiased_variance, spec.momentum = 1, spec.eps = 2;
    const Numbers x{no_number, no_number, no_number, 4, no_number, no_number, 0, 0, 3};
    judge(masked(spec, {3, 1, 3}, x, {0, 0, 0, 1, 0, 0, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 2, 3}),
          {{0, 0, 0, 10, 0, 0, 9, 9, 12}, {0, 0, 0, 0, 0, 0, -0.75, 0.25, 0.5}, {1.5}, {7}, {2.5}, {3}, 1});
    judge(masked(spec, {3, 1, 3}, x, {0, 0, 0, 1, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1, 1, 2, 3}),
          {{0, 0, 0, 10, 0, 0, 0, 0, 0}, Numbers(9), {0}, {1}, {4}, {1}, 1});
}

TEST_CASE("mask: each slice by itself, and a slice with nothing left is no step") {
    Spec spec = batch_norm();
    spec.stat_batch = 1, spec.eps = 2, spec.momentum = std::nullopt;
    const Numbers x{0, 0, 3, no_number, no_number, no_number, 6, 6, 9};
    Inputs<double> in = masked(spec, {3, 1, 3}, x, {1, 1, 1, 0, 0, 0, 1, 1, 1}, Numbers(9, 0));
    // averages of 1 and 7, of 3 and 3
    judge(in, {{9, 9, 12, 0, 0, 0, 9, 9, 12}, Numbers(9), {0}, {0}, {4}, {3}, 2});

    Spec renorm = batch_renorm(3, 5, 2);
    renorm.stat_batch = 1;
    in = masked(renorm, {3, 1, 3}, x, {1, 1, 1, 0, 0, 0, 1, 1, 1});
    const Saved saved = run(reference(), in).saved;
    CHECK(saved.r[1] == 1);
    CHECK(saved.d[1] == 0);
    CHECK(saved.r[0] == Approx(2));  // 2 over 1
}

TEST_CASE("mask: one element where m - 1 divides has x_hat 0") {
    Spec spec = layer_norm(2);
    spec.divisor = Divisor::less_one;
    // the first sample has 0, 0, 3: var 3, rstd 1 / sqrt(5)
    const double a = 2 / std::sqrt(5.0);
    const Inputs<double> in =
        masked(spec, {3, 1, 3}, {0, 0, 3, no_number, 4, no_number, no_number, no_number, no_number},
               {1, 1, 1, 0, 1, 0, 0, 0, 0});
    judge(in, {{10 - a, 10 - a, 10 + 2 * a, 0, 10, 0, 0, 0, 0}, {}, {}, {}, {}, {}, 0});
    const Outputs<double> out = run(reference(), in);
    CHECK(out.saved.rstd[1] == 0);
    same(out.saved.mean, {1, 4, 0});
}

TEST_CASE("mask: statistics that are given are not asked what is left") {
    Spec spec = batch_norm();
    spec.eps = 0;
    Inputs<double> in = masked(spec, {2, 1, 2}, {no_number, 2, 3, inf}, {0, 1, 1, 0}, {no_number, 1, 2, inf});
    in.problem.mode = Mode::eval, in.state = {{1}, {4}, {}, 7};
    judge(in, {{0, 11, 12, 0}, {0, 1, 2, 0}, {2.5}, {3}, {1}, {4}, 0});
}

TEST_CASE("mask: with a residual s is written everywhere, and d is ds under the mask") {
    Spec spec = layer_norm(2);
    spec.residual = Residual::stored, spec.masked = true, spec.activation = Activation::relu;
    Inputs<double> in{{spec, {1, 1, 4}, DType::f64}, {1, no_number, -1, 2}, {1, no_number, 2, 3}, {2}, {10}, {}};
    in.residual = {-1, 5, 1, 1}, in.ds = {1, 2, 4, 8}, in.mask = {1, 0, 1, 1};
    const Outputs<double> out = run(reference(), in);
    CHECK(std::isnan(out.s[1]));
    same(out.y, {9, 0, 9, 12}), same(out.dx, {0.25, 2, 4.25, 8.5}), same(out.d_residual, out.dx);
    in.ds.clear();
    same(run(reference(), in).dx, {-0.75, 0, 0.25, 0.5});
}

TEST_CASE("mask: the two ways to truth agree, and nothing under the mask decides a result") {
    for (const char* variant : {"batch_norm", "layer_norm", "instance_norm", "group_norm", "rms_norm", "batch_renorm",
                                "channel_norm", "l2_norm", "filter_response_norm"})
        for (const char* mask : {"tail", "scattered", "all", "one", "poisoned"})
            for (const char* rest : {"", " affine_set=element activation=silu", " residual=wide"}) {
                Case c = parse_case(std::string(variant) + " reference f32 nchw train 5x6x7 mask=" + mask + rest);
                if (c.spec().groups > 1) c.groups = 3;
                CAPTURE(c.text());
                const Inputs<double> in = draw(c);
                const truth::Result tape = truth::evaluate_by_tape(in), formula = truth::evaluate_by_formula(in);
                const auto agree = [](const std::vector<truth::Wide>& a, const std::vector<truth::Wide>& b) {
                    REQUIRE(a.size() == b.size());
                    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].high == Approx(b[i].high).margin(1e-12));
                };
                agree(tape.y, formula.y), agree(tape.dx, formula.dx);
                agree(tape.dgamma, formula.dgamma), agree(tape.dbeta, formula.dbeta);
                agree(tape.running_mean, formula.running_mean), agree(tape.running_spread, formula.running_spread);
                CHECK(tape.steps == formula.steps);
            }
}
