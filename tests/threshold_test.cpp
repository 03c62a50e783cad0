// A learned threshold behind a norm: numbers by hand, ties, which elements are in dtau, words, and what declines it.

#include <limits>
#include <set>

#include "norms/activation.hpp"
#include "norms/norm.hpp"
#include "norms/operation.hpp"
#include "norms/variants.hpp"
#include "tests/by_hand.hpp"
#include "tests/catch.hpp"
#include "tests/reads.hpp"
#include "verify/case/draw.hpp"
#include "verify/case/patterns.hpp"
#include "verify/check/check.hpp"
#include "verify/faults/naming.hpp"
#include "verify/faults/table.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity(),
                 no_number = std::numeric_limits<double>::quiet_NaN();

const Implementation& reference() { return find_implementation("reference"); }

Spec with_threshold(Spec spec) {
    spec.activation = Activation::threshold;
    return spec;
}

struct Right {
    Numbers y, dx, dgamma, dbeta, dtau;
};

void judge(const Inputs<double>& in, const Right& right) {
    verify::judge(in, {right.y, right.dx, right.dgamma, right.dbeta},
                  [&](const auto& got) { same(got.dtau, right.dtau); });
}

// (9 + 16) / 2 = 12.5 and eps = 12.5: s = 5, x_hat = 0.6, 0.8 of the first channel and -0.6, 0.8 of the second.
Inputs<double> two_channels() {
    Inputs<double> in{
        {with_threshold(filter_response_norm(12.5)), {1, 2, 2}, DType::f64}, {3, 4, -3, 4}, {1, 2, 4, 8}, {}, {}, {}};
    in.gamma = {1, 2}, in.beta = {0.5, -0.5};
    return in;
}

}  // namespace

// z = 1.1, 1.3, -1.7, 1.1. The first of each channel is below, so that g = 0, 2 and 0, 16; G = (1/2) sum g x_hat is 0.8
// and 6.4.
TEST_CASE("threshold: by hand, in both layouts") {
    Inputs<double> in = two_channels();
    in.tau = {1.2, 0};
    for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
        in.problem.layout = layout;
        judge(in, {.y = {1.2, 1.3, 0, 1.1},
                   .dx = {-0.6 * 0.8 / 5, (2 - 0.8 * 0.8) / 5, 0.6 * 6.4 / 5, (16 - 0.8 * 6.4) / 5},
                   .dgamma = {1.6, 6.4},
                   .dbeta = {2, 8},
                   .dtau = {1, 4}});
    }
    in.tau = {-9, 9};  // all of one channel is above, all of the other below
    judge(in, {.y = {1.1, 1.3, 9, 9},
               .dx = {(1 - 0.6 * 1.1) / 5, (2 - 0.8 * 1.1) / 5, 0, 0},
               .dgamma = {2.2, 0},
               .dbeta = {3, 0},
               .dtau = {0, 12}});
}

TEST_CASE("threshold: dtau sums over the elements of an entry, and nothing that a mask leaves out") {
    Inputs<double> in = two_channels();
    in.problem.spec.affine_set = AffineSet::element;
    in.gamma = {1, 1, 2, 2}, in.beta = {0.5, 0.5, -0.5, -0.5}, in.tau = {1.2, 1.2, 0, 2};
    const Right by_element{.y = {1.2, 1.3, 0, 2},
                           .dx = {-0.6 * 0.8 / 5, (2 - 0.8 * 0.8) / 5, 0, 0},
                           .dgamma = {0, 1.6, 0, 0},
                           .dbeta = {0, 2, 0, 0},
                           .dtau = {1, 0, 4, 8}};
    judge(in, by_element);

    in = two_channels();
    in.problem.spec = with_threshold(filter_response_norm(16));
    in.problem.spec.masked = true;
    in.mask = {1, 0}, in.x = {3, no_number, 3, infinity}, in.dy = {1, no_number, 4, 8};
    in.gamma.clear(), in.beta.clear(), in.tau = {0.5, 0.75};  // s = 5: z is 0.6
    judge(in, {.y = {0.6, 0, 0.75, 0},
               .dx = {(1 - 0.6 * 0.6) / 5, 0, 0, 0},
               .dgamma = {0.6, 0},
               .dbeta = {1, 0},
               .dtau = {0, 4}});
}

// Of gamma = 0 z is beta; where that is 0, to the last bit.
TEST_CASE("threshold: at a tie dz is dy, and either is within the bound unless z is exact") {
    Inputs<double> in = two_channels();
    in.problem.dtype = DType::f32;
    in.gamma = {0, 0}, in.beta = in.tau = {0, 0.5};
    const Right tie{.y = {0, 0, 0.5, 0.5}, .dx = Numbers(4), .dgamma = {2.2, 4}, .dbeta = {3, 12}, .dtau = {0, 0}};
    judge(in, tie);
    const Bounds bounds = error_bounds(in, truth::evaluate(in), Accumulation::sequential);
    CHECK(bounds.dtau[0] < 1e-6);
    CHECK(bounds.dtau[1] >= 12);
    CHECK(bounds.dbeta[0] < 1e-5);
    CHECK(bounds.dbeta[1] >= 12);
    CHECK(bounds.y[2] < 1e-6);

    in = two_channels();
    in.problem.dtype = DType::f32;
    in.tau = {rounded(1.3, DType::f32), 0};
    const Bounds near = error_bounds(in, truth::evaluate(in), Accumulation::sequential);
    CHECK(near.dtau[0] >= 2);  // of the element that is near, and not of the other
    CHECK(near.dtau[0] < 2.001);
    CHECK(near.dtau[1] < 1e-5);
}

TEST_CASE("threshold: infinities and NaN") {
    CHECK(activated(Activation::threshold, infinity, 2.0) == infinity);
    CHECK(activated(Activation::threshold, -infinity, 2.0) == 2);
    CHECK(std::isnan(activated(Activation::threshold, no_number, 2.0)));
    CHECK(std::isnan(activated(Activation::threshold, 3.0, no_number)));
    Inputs<double> in = two_channels();
    in.tau = {no_number, 0};
    const Outputs<double> out = run(reference(), in);
    CHECK(std::isnan(out.y[0]));
    CHECK(std::isnan(out.y[1]));
    same(Numbers{out.y[2], out.y[3]}, {0, 1.1});
    in.tau = {9, 9}, in.dy = {infinity, 2, 4, 8};  // it is below, and chosen, not multiplied by 0
    same(run(reference(), in).dx, Numbers(4));
    CHECK(run(reference(), in).dtau == Numbers{infinity, 12});
}

TEST_CASE("threshold: the two ways to truth agree, and the reference with them") {
    for (const char* text :
         {"filter_response_norm reference f64 nchw train 3x2x9 activation=threshold",
          "filter_response_norm reference f32 nhwc train 3x4x5 activation=threshold tau=between mask=scattered",
          "layer_norm reference bf16 nchw train 5x6x3 activation=threshold residual=wide kappa=10",
          "batch_norm reference f32 nchw eval 5x6x3 activation=threshold affine_set=element",
          "batch_renorm reference f32 nchw train 5x6x3 activation=threshold gamma_offset=1 param_dtype=bf16",
          "group_norm reference f16 nchw train 5x6x3 G=3 activation=threshold cast=before tau=low",
          "rms_norm reference f64 nchw train 5x6x3 activation=threshold affine=none part=0.4",
          "weight_norm reference f64 nchw train 1x6x5 activation=threshold tau=high"}) {
        CAPTURE(text);
        const Inputs<double> in = draw(parse_case(text));
        const truth::Result tape = truth::evaluate_by_tape(in), formula = truth::evaluate_by_formula(in);
        const auto close = [](const std::vector<truth::Wide>& a, const std::vector<truth::Wide>& b) {
            REQUIRE(a.size() == b.size());
            for (std::size_t i = 0; i < a.size(); ++i)
                CHECK(a[i].high == Approx(b[i].high).epsilon(1e-13).margin(1e-13));
        };
        REQUIRE(tape.dtau.size() == in.tau.size());
        close(tape.y, formula.y), close(tape.dx, formula.dx), close(tape.dtau, formula.dtau);
        close(tape.dgamma, formula.dgamma), close(tape.dbeta, formula.dbeta);
        const Bounds bounds = error_bounds(in, tape, Accumulation::sequential);
        const Outputs<double> out = run(reference(), in);
        for (std::size_t i = 0; i < in.x.size(); ++i) {
            CHECK(truth::distance(out.y[i], tape.y[i]) <= bounds.y[i]);
            CHECK(truth::distance(out.dx[i], tape.dx[i]) <= bounds.dx[i]);
        }
        for (std::size_t k = 0; k < in.tau.size(); ++k)
            CHECK(truth::distance(out.dtau[k], tape.dtau[k]) <= bounds.dtau[k]);
    }
}

TEST_CASE("threshold: its words, and what fills tau") {
    const char* text =
        "filter_response_norm reference f32 nchw train 20x2x9 activation=threshold tau=between seed=1 "
        "check=accuracy";
    CHECK(parse_case(text).text() == text);
    CHECK(parse_case(text).spec().thresholds());
    CHECK_THROWS_WITH(parse_case("layer_norm reference f32 nchw 2x3x4 tau=beta"),
                      Contains("tau goes with activation=threshold"));
    CHECK_THROWS_WITH(parse_case("layer_norm reference f32 nchw 2x3x4 activation=threshold tau=1,2"),
                      Contains("3 are"));
    CHECK_THROWS_WITH(parse_case("layer_norm reference f32 nchw 2x3x4 activation=threshold tau=betas"),
                      Contains("did you mean beta?"));
    const auto share_below = [](const std::string& tau) {
        const Inputs<double> in =
            draw(parse_case("filter_response_norm reference f32 nchw train 20x2x9 activation=threshold tau=" + tau));
        const truth::Result t = truth::evaluate(in);
        double below = 0;
        for (std::size_t i = 0; i < in.x.size(); ++i) below += t.z[i].high < in.tau_of(in.problem.affine_entry(i));
        return below / static_cast<double>(in.x.size());
    };
    CHECK(share_below("normal") == Approx(0.5).margin(0.2));
    CHECK(share_below("beta") == Approx(0.5).margin(0.2));
    CHECK(share_below("between") >= 0.12);
    CHECK(share_below("between") <= 0.5);
    CHECK(share_below("low") == 0);
    CHECK(share_below("high") == 1);
    std::set<Numbers> seen;
    for (const std::string_view tau : tau_patterns)
        seen.insert(
            draw(parse_case("layer_norm reference f32 nchw 2x3x4 activation=threshold tau=" + std::string(tau))).tau);
    CHECK(seen.size() == std::size(tau_patterns));
    CHECK(draw(parse_case("layer_norm reference f32 nchw 2x3x4 activation=threshold tau=1,2,0.5")).tau ==
          Numbers{1, 2, 0.5});
}

TEST_CASE("threshold: a tau that is missing, or asked for by nobody, is refused") {
    const Spec with = with_threshold(layer_norm()), without = layer_norm();
    const Shape shape{1, 2, 1};
    std::vector<double> x{1, 2}, y(2), tau(2), dtau(2);
    const auto tensor = [&](std::vector<double>& v) { return Tensor{v.data(), DType::f64, shape}; };
    Saved saved;
    CHECK_THROWS_WITH(forward(with, Mode::train, tensor(x), {}, nullptr, saved, tensor(y)), Contains("null tau"));
    CHECK_THROWS_WITH(
        forward(without, Mode::train, tensor(x), {nullptr, nullptr, tau.data()}, nullptr, saved, tensor(y)),
        Contains("a null tau is accepted, or activation = threshold"));
    forward(without, Mode::train, tensor(x), {}, nullptr, saved, tensor(y));
    CHECK_THROWS_WITH(backward(without, Mode::train, tensor(x), tensor(y), {}, saved, {.dx = {}, .dtau = dtau.data()}),
                      Contains("a null dtau is accepted"));
    const Affine affine{nullptr, nullptr, tau.data()};
    forward(with, Mode::train, tensor(x), affine, nullptr, saved, tensor(y), reference());
    CHECK_THROWS_WITH(
        backward(with, Mode::train, tensor(x), tensor(y), {}, saved, {.dx = {}, .dtau = dtau.data()}, reference()),
        Contains("null tau"));
    backward(with, Mode::train, tensor(x), tensor(y), affine, saved, {.dx = {}, .dtau = dtau.data()}, reference());
    std::fill(dtau.begin(), dtau.end(), 7);
    x.clear(), y.clear();
    const Tensor empty{nullptr, DType::f64, {0, 2, 1}};
    forward(with, Mode::train, empty, affine, nullptr, saved, empty, reference());
    backward(with, Mode::train, empty, empty, affine, saved, {.dx = {}, .dtau = dtau.data()}, reference());
    CHECK(dtau == Numbers{0, 0});
}

TEST_CASE("threshold: what declines it, and no double backward") {
    Problem p{with_threshold(filter_response_norm()), {2, 3, 4}};
    CHECK_THAT(find_implementation("cpu").supports(p).reason, Contains("no threshold"));
    CHECK_THAT(Operation(p, reference()).supports_backward_backward().reason, Contains("activation"));
    CHECK_THROWS_WITH(fold(with_threshold(batch_norm()), initial_state(batch_norm(), 2), {}, DType::f64),
                      Contains("threshold"));
    p.spec.activation = static_cast<Activation>(6);
    CHECK_THROWS_WITH(validate(p), Contains("activation = 6; 0 to 5 is accepted"));
}

TEST_CASE("threshold: a plug-in of an older version, or that does not say it reads it, is not asked for one") {
    check_that_it_must_read({with_threshold(layer_norm()), {2, 3, 4}}, NORMLAB_READS_THRESHOLD, 10, "tau and dtau");
}

TEST_CASE("threshold: its faults are caught where they show, and those with values are named") {
    const struct {
        const char *fault, *more, *named;
    } table[] = {
        {"threshold_at_zero", "", "y"},
        {"threshold_passes", "", "dx"},
        {"threshold_in_dtau", "", "dtau"},
        {"threshold_of_next", "", "y"},
        {"threshold_is_beta", "", "y"},
        {"threshold_before_beta", "", "y"},
        {"threshold_slope_at_y", "", "dtau"},
        {"threshold_below_tie", " gamma=zero beta=zero tau=beta", nullptr},
        {"dtau_scaled", "", "dtau"},
        {"dtau_by_channel", " affine_set=element", "dtau"},
        {"threshold_of_masked", " mask=scattered", "dtau"},
        {"threshold_last_sample", "", "dtau"},
        {"threshold_in_16_bits", "", nullptr},
        {"activation_forgotten", "", "y"},
        {"activation_forgotten_in_backward", "", "dx"},
        {"dbeta_of_dy", "", "dbeta"},
    };
    for (const auto& [fault, more, named] : table) {
        CAPTURE(fault);
        const Case c = parse_case("filter_response_norm faulty f32 nchw train 5x6x3 activation=threshold" +
                                  std::string(more) + " check=accuracy");
        bool failed = false, is_named = false;
        for (const Finding& f : find_check("accuracy").run(c, faults::implementation(&faults::find(fault)))) {
            failed |= f.verdict == Verdict::fail;
            is_named |= named && f.quantity == named && f.cause.find(fault) != std::string::npos;
        }
        CHECK(failed);
        CHECK(is_named == (named != nullptr));
    }
}
