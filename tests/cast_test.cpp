// x_hat rounded to the data's type before gamma: numbers by hand, what is the same with and without, and plug-ins that
// do not know of it.

#include <cmath>
#include <numeric>

#include "norms/names.hpp"
#include "norms/norm.hpp"
#include "norms/plugin.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "tests/reads.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/faults/layer.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

void same(const std::vector<double>& got, const std::vector<double>& right) {
    REQUIRE(got.size() == right.size());
    for (std::size_t i = 0; i < got.size(); ++i)
        CHECK((got[i] == right[i] || (got[i] != got[i] && right[i] != right[i])));
}

Inputs<double> with(Inputs<double> in, Cast cast) {
    in.problem.spec.cast = cast;
    return in;
}

}  // namespace

TEST_CASE("cast: its words, and what is no cast") {
    const char* text = "layer_norm cpu f32 nchw train 2x3x4 cast=before seed=1 check=accuracy";
    CHECK(parse_case(text).text() == text);
    CHECK(parse_case(text).spec().casts());
    CHECK_THROWS_WITH(parse_case("layer_norm cpu f32 nchw 2x3x4 cast=never"), Contains("accepted: after, before"));
    Problem p{layer_norm(), {2, 3, 4}};
    p.spec.cast = static_cast<Cast>(2);
    CHECK_THROWS_WITH(validate(p), Contains("cast = 2; 0 to 1 is accepted"));
    const State state = initial_state(batch_norm(), 3);
    Spec spec = batch_norm();
    spec.cast = Cast::before;
    CHECK_THROWS_WITH(fold(spec, state, {}, DType::f32), Contains("cast = after is accepted"));
    CHECK_THAT(find_check("fold").refuses(parse_case("batch_norm cpu f32 nchw eval 2x3x4 cast=before check=fold")),
               Contains("not rounded before gamma"));
}

// x = 1, 7: s = 5, x_hat = 0.2, 1.4. Of bf16 the neighbours are 205/1024 and 179/128; times 13 they are 166.56/64 and
// 145.44/8. 13 x_hat itself is 166.4/64 and 145.6/8.
TEST_CASE("cast: rms norm of bf16 by hand") {
    Spec spec = rms_norm(0);
    for (const std::int64_t pairs : {1, 8, 300}) {
        Inputs<double> in{{spec, {1, 2 * pairs, 1}, DType::bf16}, {}, {}, {}, {}, {}};
        std::vector<double> before, after;
        for (std::int64_t k = 0; k < pairs; ++k)
            for (const bool small : {true, false}) {
                in.x.push_back(small ? 1 : 7), in.gamma.push_back(13);
                before.push_back(small ? 167.0 / 64 : 145.0 / 8), after.push_back(small ? 166.0 / 64 : 146.0 / 8);
            }
        for (const char* name : {"reference", "cpu"}) {
            CAPTURE(name, pairs);
            const Implementation& implementation = find_implementation(name);
            same(run(implementation, with(in, Cast::before)).y, before);
            same(run(implementation, with(in, Cast::after)).y, after);
        }
        const truth::Result t = truth::evaluate(with(in, Cast::before));
        CHECK(t.y[0].high == 205.0 / 1024 * 13);
        CHECK(t.y[1].high == 179.0 / 128 * 13);
    }
}

TEST_CASE("cast: y is gamma times the rounded x_hat wherever that is decided, and gradients are those without it") {
    std::size_t served = 0;
    for (const char* name : {"reference", "cpu"})
        for (const Variant* v : all_variants())
            for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16})
                for (const Shape& shape : {Shape{5, 6, 3}, Shape{2, 17, 1}, Shape{3, 3, 37}, Shape{4, 66, 2}}) {
                    Case c;
                    c.variant = v->name, c.dtype = dtype, c.shape = shape, c.cast = Cast::before;
                    if (c.spec().groups > 1) c.groups = shape.C % 3 == 0 ? 3 : 1;
                    if (shape.C == 6) c.gamma_offset = 1;
                    if (shape.S == 2) c.activation = Activation::silu;
                    const Implementation& implementation = find_implementation(name);
                    if (!is_valid(c) || !implementation.supports(c.problem())) continue;
                    ++served;
                    CAPTURE(name, c.text());
                    const Inputs<double> in = draw(c);
                    const Outputs<double> got = run(implementation, in),
                                          without = run(implementation, with(in, Cast::after));
                    same(got.dx, without.dx), same(got.dgamma, without.dgamma), same(got.dbeta, without.dbeta);
                    if (c.activation) continue;
                    const truth::Result t = truth::evaluate(in);
                    std::size_t decided = 0;
                    for (const truth::Block& b : t.blocks)
                        for (const std::size_t i : b.elements) {
                            const double hat = t.x_hat[i].high * static_cast<double>(b.r) + static_cast<double>(b.d);
                            if (!is_narrow(dtype) || error_of_rounding(hat, 1e-5 * std::abs(hat) + 1e-6, dtype) > 0)
                                continue;
                            ++decided;
                            const double z = in.factor_of(i) * rounded(hat, dtype) +
                                             (in.beta.empty() ? 0 : in.beta[in.problem.affine_entry(i)]);
                            if (error_of_rounding(z, 1e-5 * std::abs(z) + 1e-6, dtype) == 0)
                                CHECK(got.y[i] == rounded(z, dtype));
                        }
                    if (is_narrow(dtype)) CHECK(decided > in.x.size() / 2);
                }
    CHECK(served > 150);
}

TEST_CASE("cast: a rounding that is decided has no error, at a tie a whole step") {
    CHECK(error_of_rounding(1.4, 1e-4, DType::bf16) == 0);
    CHECK(error_of_rounding(1 + 0x1p-8, 1e-6, DType::bf16) == 0x1p-7);
    CHECK(error_of_rounding(1 + 0x1p-8, 0, DType::bf16) == 0);
    CHECK(error_of_rounding(7e4, 1, DType::f16) == 0);  // both infinite
    CHECK(error_of_rounding(65519, 2, DType::f16) == 0x1p300);
    CHECK(error_of_rounding(1.5, 0x1p-40, DType::f64) == 0x1p-40);
}

TEST_CASE("cast: the two ways to truth agree, and beyond the largest f16 x_hat is infinite in both") {
    for (const char* text : {"rms_norm cpu bf16 nchw train 5x6x3 cast=before",
                             "batch_renorm cpu f16 nchw train 5x6x3 cast=before state=far",
                             "layer_norm cpu f32 nchw train 5x6x3 cast=before activation=gelu",
                             "group_norm cpu bf16 nchw train 5x6x3 cast=before residual=wide"}) {
        CAPTURE(text);
        const Inputs<double> in = draw(parse_case(text));
        const truth::Result tape = truth::evaluate_by_tape(in), formula = truth::evaluate_by_formula(in);
        for (std::size_t i = 0; i < in.x.size(); ++i) CHECK(tape.y[i].high == Approx(formula.y[i].high).epsilon(1e-14));
    }
    Spec spec = batch_norm();
    spec.cast = Cast::before;
    Inputs<double> in{{spec, {1, 1, 9}, DType::f16, Layout::channels_first, Mode::eval}, {}, {}, {2}, {1}, {}};
    in.state = initial_state(spec, 1);
    in.x.resize(9, 300.0), in.state.var[0] = 0;
    for (const truth::Result& t : {truth::evaluate_by_tape(in), truth::evaluate_by_formula(in)})
        for (const truth::Wide& y : t.y) CHECK(std::isinf(y.high));
    for (const char* name : {"reference", "cpu"})
        for (const double y : run(find_implementation(name), in).y) CHECK(std::isinf(y));
}

TEST_CASE("a plug-in of an older version, or that does not say it reads it, is not asked for a cast") {
    Problem asked{layer_norm(), {2, 3, 4}};
    asked.spec.cast = Cast::before;
    check_that_it_must_read(asked, NORMLAB_READS_CAST, 6, "cast");
}
