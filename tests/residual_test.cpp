// A residual added before the norm: s = x + residual, and d = ds + dx.

#include <algorithm>
#include <cmath>

#include "norms/names.hpp"
#include "norms/norm.hpp"
#include "norms/operation.hpp"
#include "norms/plugin.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "tests/reads.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/check/session.hpp"
#include "verify/faults/layer.hpp"
#include "verify/faults/naming.hpp"
#include "verify/faults/table.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

Case with_residual(std::string_view variant, DType dtype, Residual residual, const Shape& shape) {
    Case c;
    c.variant = variant, c.dtype = dtype, c.residual = residual, c.shape = shape;
    if (c.spec().groups > 1) c.groups = shape.C % 3 == 0 ? 3 : 1;
    return c;
}

double high_of(const std::vector<truth::Wide>& v, std::size_t i) { return v[i].high; }

}  // namespace

TEST_CASE("a residual and its type are checked") {
    Problem p{layer_norm(), {2, 3, 4}, DType::bf16};
    p.spec.residual_dtype = DType::f32;
    CHECK_THROWS_WITH(validate(p), Contains("residual_dtype = f32 without a residual; none is accepted"));
    p.spec.residual = Residual::stored;
    CHECK_NOTHROW(validate(p));
    CHECK(p.residuals() == DType::f32);
    p.spec.residual_dtype = DType::f16;
    CHECK_THROWS_WITH(validate(p), Contains("residual_dtype = f16 beside data of bf16; bf16 or f32 is accepted"));
    p.dtype = DType::f64, p.spec.residual_dtype = DType::f32;
    CHECK_THROWS_WITH(validate(p), Contains("beside data of f64; f64 is accepted"));
    p.spec.residual_dtype.reset();
    CHECK_NOTHROW(validate(p));
    for (const DType dtype : {DType::f32, DType::bf16}) {
        p.dtype = dtype;
        CHECK(p.residuals() == dtype);
        for (const Residual residual : {Residual::none, Residual::stored, Residual::wide}) {
            p.spec.residual = residual;
            CHECK(p.sees_unrounded() == (residual == Residual::wide && dtype == DType::bf16));
        }
    }
    const char* text =
        "layer_norm cpu bf16 nchw train 2x3x4 residual=stored residual_dtype=f32 ds=none seed=1 check=accuracy";
    CHECK(parse_case(text).text() == text);
    CHECK_THROWS_WITH(parse_case("layer_norm cpu f32 nchw 2x3x4 ds=none"), Contains("ds goes with residual=stored"));
    CHECK_THROWS_WITH(parse_case("layer_norm cpu f32 nchw 2x3x4 residual=wider"), Contains("did you mean wide?"));
}

TEST_CASE("a call with a residual has one, and a call without has none") {
    const Problem p{rms_norm(), {1, 3, 1}};
    float x[3] = {1, 2, 3}, more[3] = {1, 1, 1}, y[3], s[3];
    const auto tensor = [&](float* data) { return Tensor{data, p.dtype, p.shape}; };
    Saved saved;
    Spec spec = p.spec;
    const auto call = [&](const Added& added) {
        forward(spec, Mode::train, tensor(x), {}, nullptr, saved, tensor(y), find_implementation("reference"), added);
    };
    CHECK_THROWS_WITH(call({tensor(more), tensor(s)}), Contains("has no residual"));
    spec.residual = Residual::stored;
    CHECK_THROWS_WITH(call({}), Contains("residual is"));
    CHECK_THROWS_WITH(call({tensor(more), Tensor{s, DType::bf16, p.shape}}), Contains("s is bf16"));
    call({tensor(more), tensor(more)});  // s on residual
    CHECK((more[0] == 2 && more[1] == 3 && more[2] == 4));
    Spec folded = batch_norm();
    folded.residual = Residual::stored;
    CHECK_THROWS_WITH(fold(folded, initial_state(folded, 3), {}, DType::f32), Contains("with a residual"));
}

TEST_CASE("s is one addition and one rounding, and without ds and with a residual of 0 the layer is the one without") {
    for (const Variant* v : all_variants())
        for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16})
            for (const Residual residual : {Residual::stored, Residual::wide}) {
                Case c = with_residual(v->name, dtype, residual, {5, 6, 3});
                CAPTURE(c.text());
                Inputs<double> in = draw(c);
                const Implementation& reference = find_implementation("reference");
                const Outputs<double> out = run(reference, in);
                for (std::size_t i = 0; i < in.x.size(); ++i) {
                    const double sum = rounded(in.x[i] + in.residual[i], arithmetic_dtype(dtype));
                    CHECK(out.s[i] == rounded(sum, dtype));
                }
                CHECK(out.d_residual == out.dx);
                std::ranges::fill(in.residual, 0.0);
                in.ds.clear();
                const Outputs<double> with = run(reference, in), without = run(reference, in.without_residual(in.x));
                CHECK(with.y == without.y);
                CHECK(with.dx == without.dx);
                CHECK(with.dgamma == without.dgamma);
                CHECK(with.dbeta == without.dbeta);
            }
}

TEST_CASE("a residual of f32 beside data of 16 bits is kept in f32") {
    for (const DType dtype : {DType::bf16, DType::f16}) {
        Case c = with_residual("rms_norm", dtype, Residual::stored, {5, 6, 3});
        c.residual_dtype = DType::f32;
        const Inputs<double> in = draw(c);
        const Outputs<double> out = run(find_implementation("reference"), in);
        std::size_t finer = 0;
        for (std::size_t i = 0; i < in.x.size(); ++i) {
            CHECK(out.s[i] == rounded(in.x[i] + in.residual[i], DType::f32));
            CHECK(out.dx[i] == rounded(out.d_residual[i], dtype));
            finer += out.s[i] != rounded(out.s[i], dtype) && out.d_residual[i] != out.dx[i];
        }
        CHECK(finer > in.x.size() / 2);
    }
}

TEST_CASE("truth with a residual, by both ways and against differences of its own forward pass") {
    for (const char* variant : {"layer_norm", "rms_norm", "batch_renorm", "weight_standardization"})
        for (const Residual residual : {Residual::stored, Residual::wide})
            for (const DType dtype : {DType::f64, DType::bf16}) {
                Case c = with_residual(variant, dtype, residual, {4, 6, 3});
                c.kappa = 4, c.activation = Activation::silu;
                const Inputs<double> in = draw(c);
                CAPTURE(c.text());
                const truth::Result a = truth::evaluate_by_tape(in), b = truth::evaluate_by_formula(in);
                for (const auto of : {&truth::Result::y, &truth::Result::dx, &truth::Result::d_residual,
                                      &truth::Result::dgamma, &truth::Result::dbeta, &truth::Result::s})
                    for (std::size_t i = 0; i < (a.*of).size(); ++i)
                        CHECK(high_of(a.*of, i) == Approx(high_of(b.*of, i)).epsilon(1e-12).margin(1e-12));
                CHECK(a.backward.size() == (residual == Residual::wide && dtype == DType::bf16 ? 1 : 0));
            }
}

TEST_CASE("where forward sees the unrounded sum, backward has x_hat of s and forward's statistics") {
    Case c = with_residual("layer_norm", DType::bf16, Residual::wide, {3, 6, 2});
    c.kappa = 10, c.ds.pattern = "none", c.affine = AffineUse::none;
    const Inputs<double> in = draw(c);
    const truth::Result t = truth::evaluate(in);
    const std::vector<double> seen = in.seen(), s = in.stored();
    CHECK(seen != s);
    for (const truth::Block& b : t.blocks) {
        const auto m = static_cast<double>(b.elements.size());
        double mean = 0, var = 0, sum = 0, along = 0;
        for (const std::size_t i : b.elements) mean += seen[i] / m;
        for (const std::size_t i : b.elements) var += (seen[i] - mean) * (seen[i] - mean) / m;
        const double rstd = 1 / std::sqrt(var + c.spec().eps);
        const auto x_hat = [&](std::size_t i) { return (s[i] - mean) * rstd; };
        for (const std::size_t i : b.elements) sum += in.dy[i] / m, along += in.dy[i] * x_hat(i) / m;
        // these loops are in double: 1e-9 is far above what they round, and far below the 2^-9 of bf16 that s is off
        for (const std::size_t i : b.elements) {
            CHECK(t.y[i].high == Approx((seen[i] - mean) * rstd).margin(1e-9));
            CHECK(t.dx[i].high == Approx(rstd * (in.dy[i] - sum - x_hat(i) * along)).margin(1e-9));
        }
    }
}

TEST_CASE("a plug-in of an older version, or that does not say it reads it, is not asked for a residual") {
    Problem asked{layer_norm(), {2, 3, 4}};
    asked.spec.residual = Residual::stored;
    check_that_it_must_read(asked, NORMLAB_READS_RESIDUAL, 5, "residual");
}

TEST_CASE("what declines a residual says so, and nothing is differentiated twice behind one") {
    Problem p{batch_norm(), {64, 3, 4}};
    p.spec.residual = Residual::stored;
    for (const Implementation* i : implementations())
        if (i->name() == "cpu") CHECK_THAT(i->supports(p).reason, Contains("residual"));
    p.device = Device::host;
    const Operation operation(p, find_implementation("reference"));
    CHECK_THAT(operation.supports_backward_backward().reason, Contains("no double backward"));
}

TEST_CASE("the CPU kernels add a residual in the pass of the norm: the bits of the norm of s, at edges of lanes") {
    const Implementation& cpu = find_implementation("cpu");
    std::size_t served = 0;
    for (const char* variant : {"layer_norm", "rms_norm", "group_norm", "l2_norm", "instance_norm"})
        for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16})
            for (const Shape& shape :
                 {Shape{3, 8, 1}, Shape{3, 9, 1}, Shape{5, 17, 1}, Shape{3, 33, 2}, Shape{2, 3, 67}, Shape{3, 511, 1},
                  Shape{2, 513, 1}, Shape{70, 6, 99}, Shape{2, 4099, 1}}) {
                const Case c = with_residual(variant, dtype, Residual::stored, shape);
                if (!is_valid(c) || !cpu.supports(c.problem())) continue;
                CAPTURE(c.text());
                const Inputs<double> in = draw(c);
                Inputs<double> alone = in;
                alone.ds.clear();
                const Outputs<double> out = run(cpu, in), without = run(cpu, in.without_residual(in.stored()));
                CHECK(out.s == in.stored());
                CHECK(out.y == without.y);
                CHECK(out.saved.rstd == without.saved.rstd);
                CHECK(out.dgamma == without.dgamma);
                CHECK(out.dbeta == without.dbeta);
                CHECK(out.dx == out.d_residual);
                CHECK(run(cpu, alone).dx == without.dx);
                for (const Placement& p : {Placement{.threads = 2, .offset = 1}, Placement{.threads = 0},
                                           Placement{.threads = 3, .offset = 3, .in_place = InPlace::both}}) {
                    Session session(cpu, in.problem, p);
                    session.write(in), session.forward(), session.backward();
                    const Outputs<double> other = session.outputs();
                    CHECK(other.s == out.s);
                    CHECK(other.y == out.y);
                    CHECK(other.dx == out.dx);
                    CHECK(other.d_residual == out.d_residual);
                    CHECK(other.dgamma == out.dgamma);
                    session.backward({.dx = false, .dgamma = false, .dbeta = false});
                    CHECK(session.outputs().d_residual == out.d_residual);
                    session.backward({.d_residual = false});
                    CHECK(session.outputs().dx == out.dx);
                }
                ++served;
            }
    CHECK(served > 100);
}

TEST_CASE("the CPU kernels decline the residuals that they do not add in their own pass") {
    const auto reason = [](const Problem& p) { return find_implementation("cpu").supports(p).reason; };
    Problem p{layer_norm(), {2, 16, 1}, DType::bf16};
    p.spec.residual = Residual::stored;
    CHECK(reason(p).empty());
    p.spec.residual = Residual::wide;
    CHECK_THAT(reason(p), Contains("normalizes it as it is stored"));
    p.spec.residual = Residual::stored, p.spec.residual_dtype = DType::f32;
    CHECK_THAT(reason(p), Contains("in the data's type"));
    p.spec.residual_dtype.reset(), p.shape = {2, 7, 1};
    CHECK_THAT(reason(p), Contains("few elements"));
}

TEST_CASE("wrong residuals are named") {
    const auto cause = [](std::string_view fault, const char* quantity) {
        for (const Finding& f : find_check("accuracy")
                                    .run(parse_case("layer_norm faulty f32 nchw train 5x6x3 residual=stored seed=3"),
                                         faults::implementation(&faults::find(fault))))
            if (f.quantity == quantity) return f.cause;
        return std::string();
    };
    CHECK_THAT(cause("norm_of_x", "y"), Contains("norm_of_x"));
    CHECK_THAT(cause("residual_after_norm", "y"), Contains("residual_after_norm"));
    CHECK_THAT(cause("s_is_x", "s"), Contains("s_is_x"));
    CHECK_THAT(cause("ds_forgotten", "dx"), Contains("ds_forgotten"));
    CHECK_THAT(cause("ds_twice", "d_residual"), Contains("ds_twice"));
    CHECK_THAT(cause("d_residual_is_ds", "d_residual"), Contains("d_residual_is_ds"));
}
