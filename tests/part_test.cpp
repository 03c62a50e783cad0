// Statistics of the first elements of a block: numbers by hand, which elements those are, and what declines it.

#include <limits>

#include "norms/norm.hpp"
#include "norms/operation.hpp"
#include "norms/variants.hpp"
#include "tests/by_hand.hpp"
#include "tests/catch.hpp"
#include "tests/reads.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/faults/naming.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

const Implementation& reference() { return find_implementation("reference"); }

struct Right {
    Numbers y, dx, dgamma, dbeta, var;
};

void judge(const Inputs<double>& in, const Right& right) {
    verify::judge(in, {right.y, right.dx, right.dgamma, right.dbeta}, [&](const auto& got) {
        if constexpr (requires { got.saved; }) same(got.saved.var, right.var);
        else
            for (std::size_t b = 0; b < got.blocks.size(); ++b)
                CHECK(static_cast<double>(got.blocks[b].var) == Approx(right.var[b]));
    });
}

Inputs<double> inputs(const Spec& spec, const Shape& shape, const Numbers& x, const Numbers& dy) {
    Inputs<double> in{{spec, shape, DType::f64}, x, dy, {}, {}, {}};
    return in;
}

}  // namespace

TEST_CASE("part: its words, and where there is none") {
    const char* text = "rms_norm reference f32 nchw train 2x3x4 part=0.25 seed=1 check=accuracy";
    CHECK(parse_case(text).text() == text);
    CHECK(parse_case(text).spec().part == 0.25);
    CHECK(parse_case("partial_rms_norm reference f32 nchw 2x3x4").spec().part == 0.0625);
    CHECK_FALSE(parse_case("partial_rms_norm reference f32 nchw 2x3x4 part=1").spec().is_partial());
    for (const char* part : {"0", "-0.5", "1.01", "nan", "half"})
        CHECK_THROWS_WITH(parse_case("rms_norm reference f32 nchw 2x3x4 part=" + std::string(part)),
                          Contains(part) && Contains("above 0, up to 1"));
    for (const char* variant : {"layer_norm", "l2_norm", "weight_norm"})
        CHECK_THROWS_WITH(parse_case(std::string(variant) + " reference f32 nchw 1x3x4 part=0.5"),
                          Contains("a case of rms_norm, partial_rms_norm or filter_response_norm accepts part"));
    Problem p{layer_norm(), {2, 3, 4}};
    p.spec.part = 0.5;
    CHECK_THROWS_WITH(validate(p), Contains("part = 0.5") && Contains("1 is accepted"));
    p.spec = partial_rms_norm(0);
    CHECK_THROWS_WITH(validate(p), Contains("part = 0; a number above 0, up to 1, is accepted"));
    p.spec = partial_rms_norm(std::numeric_limits<double>::quiet_NaN());
    CHECK_THROWS_WITH(validate(p), Contains("part = nan"));
    p.spec = partial_rms_norm(), p.spec.denominator = Denominator::added;
    CHECK_THROWS_WITH(validate(p), Contains("not sqrt(mean of squares + eps)"));

    p.spec = partial_rms_norm();
    CHECK_THAT(find_implementation("cpu").supports(p).reason, Contains("not of a part"));
    CHECK_THAT(Operation(p, reference()).supports_backward_backward().reason, Contains("of a part"));
    const auto refuses = [](const std::string& check, const char* more) {
        return find_check(check).refuses(
            parse_case("partial_rms_norm reference bf16 nchw 2x3x4" + std::string(more) + " check=" + check));
    };
    CHECK_THAT(refuses("tiled", " tile=2x3x2"), Contains("not those of its tile"));
    CHECK_THAT(refuses("symmetry", ""), Contains("of a part"));
    CHECK_THAT(refuses("double_backward", ""), Contains("no double backward"));
    CHECK_THAT(refuses("exhaustive", ""), Contains("of both elements"));
    CHECK(refuses("symmetry", " part=1").empty());
}

TEST_CASE("part: a plug-in of an older version, or that does not say it reads it, is not asked for one") {
    check_that_it_must_read({partial_rms_norm(), {2, 3, 4}}, NORMLAB_READS_PART, 9, "part");
}

TEST_CASE("part: k is ceil(part * m)") {
    const Spec half = partial_rms_norm(0.5), some = partial_rms_norm();
    CHECK(half.part_of(4) == 2);
    CHECK(half.part_of(5) == 3);
    CHECK(some.part_of(16) == 1);
    CHECK(some.part_of(17) == 2);
    CHECK(partial_rms_norm(1e-9).part_of(3) == 1);
    CHECK(rms_norm().part_of(7) == 7);
    CHECK(Problem{half, {2, 5, 1}}.divisor() == 3);
}

// (1 + 49) / 2 = 25: x_hat = 0.2, 1.4, -2, 4. With g = 1, 2, 3, 1 the sum of g x_hat is 1, half of it 0.5, and
// dx = (1 - 0.2 / 2, 2 - 1.4 / 2, 3, 1) / 5.
TEST_CASE("part: by hand, of two and of any share that rounds up to two") {
    for (const double part : {0.5, 0.26, 0.4999})
        for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
            CAPTURE(part, static_cast<int>(layout));
            Inputs<double> in = inputs(partial_rms_norm(part, 0), {1, 2, 2}, {1, 7, -10, 20}, {1, 2, 3, 1});
            in.problem.layout = layout;  // c, s is the order of the part all the same
            judge(in, {.y = {0.2, 1.4, -2, 4},
                       .dx = {0.18, 0.26, 0.6, 0.2},
                       .dgamma = {3, -2},
                       .dbeta = {3, 4},
                       .var = {25}});
        }
}

// gamma = 2, -1 and dy = 0.5, 1, -3, -1 give the g above; eps = 24 beside var = 1 gives the s.
TEST_CASE("part: with gamma, beta and eps, of two samples") {
    Inputs<double> in =
        inputs(partial_rms_norm(0.25, 24), {2, 2, 2}, {1, 7, -10, 20, -1, 0, 5, 0}, {0.5, 1, -3, -1, 0, 0, 1, 0});
    in.gamma = {2, -1}, in.beta = {10, 100};
    // of the first sample sum g x_hat = 1; of the second, g = 0, 0, -1, 0 and x_hat = -0.2, 0, 1, 0, it is -1
    judge(in, {.y = {10.4, 12.8, 102, 96, 9.6, 10, 99, 100},
               .dx = {(1 - 0.2) / 5, 0.4, 0.6, 0.2, -0.2 / 5, 0, -0.2, 0},
               .dgamma = {0.1 + 1.4, 6 - 4 + 1},
               .dbeta = {1.5, -3},
               .var = {1, 1}});
}

TEST_CASE("part: with a mask it is of the elements that are left") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    Spec spec = partial_rms_norm(0.5, 0);
    spec.masked = true;
    Inputs<double> in = inputs(spec, {1, 1, 6}, {1, nan, 7, -10, nan, 20}, {1, 5, 2, 3, nan, 1});
    in.mask = {1, 0, 1, 1, 0, 1};
    judge(in,
          {.y = {0.2, 0, 1.4, -2, 0, 4}, .dx = {0.18, 0, 0.26, 0.6, 0, 0.2}, .dgamma = {1}, .dbeta = {7}, .var = {25}});
    in.mask.assign(6, 0);
    judge(in, {.y = Numbers(6), .dx = Numbers(6), .dgamma = {0}, .dbeta = {0}, .var = {0}});
}

TEST_CASE("part: of zeros, with nothing added, x_hat is 0 whatever the others are") {
    Inputs<double> in = inputs(partial_rms_norm(0.5, 0), {1, 4, 1}, {0, 0, 3, 4}, {1, 2, 3, 4});
    in.beta = {1, 2, 3, 4};
    judge(in, {.y = {1, 2, 3, 4}, .dx = Numbers(4), .dgamma = Numbers(4), .dbeta = {1, 2, 3, 4}, .var = {0}});
}

TEST_CASE("part: blocks of any axes, and the two ways to truth agree") {
    for (const char* text : {"partial_rms_norm reference f64 nchw train 5x6x3",
                             "rms_norm reference f32 nhwc train 5x6x7 part=0.3 mask=scattered activation=gelu",
                             "rms_norm reference bf16 nchw train 5x6x3 part=0.9 residual=wide kappa=10",
                             "filter_response_norm reference f64 nchw train 3x2x9 part=0.5 x=outlier",
                             "filter_response_norm reference f32 nchw train 3x2x9 part=0.01 gamma_offset=1"}) {
        CAPTURE(text);
        const Inputs<double> in = draw(parse_case(text));
        const truth::Result tape = truth::evaluate_by_tape(in), formula = truth::evaluate_by_formula(in);
        const auto close = [](const std::vector<truth::Wide>& a, const std::vector<truth::Wide>& b) {
            REQUIRE(a.size() == b.size());
            for (std::size_t i = 0; i < a.size(); ++i)
                CHECK(a[i].high == Approx(b[i].high).epsilon(1e-13).margin(1e-13));
        };
        close(tape.y, formula.y), close(tape.dx, formula.dx);
        close(tape.dgamma, formula.dgamma), close(tape.dbeta, formula.dbeta);
        const Bounds bounds = error_bounds(in, tape, Accumulation::sequential);
        const Outputs<double> out = run(reference(), in);
        for (std::size_t i = 0; i < in.x.size(); ++i) {
            CHECK(truth::distance(out.y[i], tape.y[i]) <= bounds.y[i]);
            CHECK(truth::distance(out.dx[i], tape.dx[i]) <= bounds.dx[i]);
        }
    }
}

// Elements of f32 that are far larger than the part: bounds follow their x_hat, and one step more is outside.
TEST_CASE("part: bounds of dx grow with what is not of the part, and say nothing else") {
    Inputs<double> in = inputs(partial_rms_norm(0.5, 0), {1, 4, 1}, {3, 4, 3e6, 4e6}, {1, 1, 1, 1});
    in.problem.dtype = DType::f32;
    const truth::Result t = truth::evaluate(in);
    const Bounds b = error_bounds(in, t, Accumulation::f64);
    const double u = unit_roundoff(DType::f32), s = static_cast<double>(t.blocks[0].s);
    CHECK(b.dx[2] < 20 * u / s);
    CHECK(b.dx[3] < 20 * u / s);
    CHECK(b.dx[0] < 60 * u * std::abs(t.dx[0].high));
    CHECK(b.dx[0] > 10 * u * std::abs(t.dx[0].high));
}
