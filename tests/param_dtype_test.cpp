// gamma, beta and their gradients in a type of their own.

#include <cmath>
#include <cstddef>

#include "norms/names.hpp"
#include "norms/norm.hpp"
#include "norms/plugin.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/check/session.hpp"
#include "verify/faults/layer.hpp"
#include "verify/run/run_cases.hpp"
#include "verify/truth/inputs.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

constexpr DType narrow[] = {DType::bf16, DType::f16}, data_types[] = {DType::f32, DType::bf16, DType::f16};

Case with_params(std::string_view variant, DType dtype, DType params, const Shape& shape) {
    Case c;
    c.variant = variant, c.dtype = dtype, c.param_dtype = params, c.shape = shape;
    if (c.spec().groups > 1) c.groups = shape.C % 3 == 0 ? 3 : 1;
    return c;
}

// The same numbers, with parameters of f32.
Inputs<double> in_f32(Inputs<double> in) {
    in.problem.spec.param_dtype.reset();
    return in;
}

void same(const std::vector<double>& got, const std::vector<double>& right) {
    REQUIRE(got.size() == right.size());
    for (std::size_t i = 0; i < got.size(); ++i)
        CHECK((got[i] == right[i] || (got[i] != got[i] && right[i] != right[i])));
}

}  // namespace

TEST_CASE("parameters have the type of the arithmetic unless a Spec says otherwise") {
    Problem p{layer_norm(), {2, 3, 4}};
    for (const DType dtype : data_types) {
        p.dtype = dtype;
        CHECK(p.params() == DType::f32);
        for (const DType params : {DType::f32, DType::bf16, DType::f16}) {
            p.spec.param_dtype = params;
            CHECK_NOTHROW(validate(p));
            CHECK(p.params() == params);
        }
        p.spec.param_dtype = DType::f64;
        CHECK_THROWS_WITH(validate(p), Contains("param_dtype = f64 beside data of " + std::string(name_of(dtype))) &&
                                           Contains("f32, bf16 or f16 is accepted"));
        p.spec.param_dtype.reset();
    }
    p.dtype = DType::f64;
    CHECK(p.params() == DType::f64);
    p.spec.param_dtype = DType::f64;
    CHECK_NOTHROW(validate(p));
    for (const DType params : data_types) {
        p.spec.param_dtype = params;
        CHECK_THROWS_WITH(validate(p), Contains("beside data of f64; f64 is accepted"));
    }
    CHECK_THROWS_WITH(parse_case("layer_norm cpu f32 nchw 2x3x4 param_dtype=bf18"),
                      Contains("accepted: f64, f32, bf16, f16"));
    const char* text = "layer_norm cpu f32 nchw train 2x3x4 param_dtype=bf16 seed=1 check=accuracy";
    CHECK(parse_case(text).text() == text);
}

TEST_CASE("gamma and beta of 16 bits are read exactly, and gradients are those of f32 rounded once, in every kernel") {
    for (const char* name : {"reference", "cpu"})
        for (const Variant* v : all_variants())
            for (const DType dtype : data_types)
                for (const DType params : narrow)
                    for (const Shape& shape : {Shape{5, 6, 3}, Shape{2, 17, 1}, Shape{3, 3, 37}, Shape{4, 66, 2}}) {
                        Case c = with_params(v->name, dtype, params, shape);
                        c.layout = shape.C > 10 ? Layout::channels_last : Layout::channels_first;
                        if (shape.C == 6) c.gamma_offset = 1;
                        const Implementation& implementation = find_implementation(name);
                        // one element a block; statistics of a part
                        if (!is_valid(c) || !implementation.supports(c.problem())) continue;
                        CAPTURE(name, c.text());
                        const Inputs<double> in = draw(c);
                        const Outputs<double> got = run(implementation, in), wide = run(implementation, in_f32(in));
                        same(got.y, wide.y), same(got.dx, wide.dx);
                        same(got.dgamma, rounded(wide.dgamma, params)), same(got.dbeta, rounded(wide.dbeta, params));
                    }
}

TEST_CASE(
    "gradients that are not asked for, misaligned arrays and threads change nothing, with parameters of 16 bits") {
    for (const DType params : narrow)
        for (const char* variant : {"layer_norm", "batch_norm", "instance_norm"}) {
            const Inputs<double> in = draw(with_params(variant, DType::bf16, params, {70, 33, 31}));
            const auto outputs = [&](Wanted wanted, int threads, std::size_t offset) {
                Session session(find_implementation("cpu"), in.problem, {.threads = threads, .offset = offset});
                session.write(in);
                session.forward();
                session.backward(wanted);
                return session.outputs();
            };
            const Outputs<double> all = outputs({}, 1, 0), other = outputs({}, 2, 1);
            same(other.y, all.y), same(other.dx, all.dx), same(other.dgamma, all.dgamma), same(other.dbeta, all.dbeta);
            same(outputs({.dgamma = false}, 1, 0).dbeta, all.dbeta);
            same(outputs({.dbeta = false}, 1, 0).dgamma, all.dgamma);
        }
}

TEST_CASE("dgamma and dbeta of 100003 rows are their sums, rounded once") {
    for (const DType params : narrow)
        for (const char* name : {"reference", "cpu"}) {
            Inputs<double> in = draw(with_params("batch_norm", DType::bf16, params, {100003, 2, 1}));
            for (double& dy : in.dy) dy = 1;
            const Outputs<double> out = run(find_implementation(name), in);
            const double sum = params == DType::f16 ? INFINITY : rounded(100003, params);  // 65504 is the largest f16
            same(out.dbeta, {sum, sum});
            for (std::size_t i = 0; i < in.dy.size(); ++i) in.dy[i] = i % 2 ? 0.25 : in.x[i] > 0 ? 0.5 : 0;
            const Outputs<double> again = run(find_implementation(name), in),
                                  wide = run(find_implementation(name), in_f32(in));
            same(again.dgamma, rounded(wide.dgamma, params));
            same(again.dbeta, rounded(wide.dbeta, params));
            CHECK(again.dbeta[1] == rounded(100003 * 0.25, params));
        }
}

TEST_CASE("a plug-in of an older version, or that does not say it reads it, is not asked for param_dtype") {
    const Problem plain{layer_norm(), {2, 3, 4}};
    Problem narrower = plain, same_as_plain = plain;
    narrower.spec.param_dtype = DType::bf16, same_as_plain.spec.param_dtype = DType::f32;
    normlab_plugin table = faults::plugin_table(nullptr);
    table.name = "of_today";
    CHECK(plugin_implementation(table, {"x.so", ""})->supports(narrower));
    table.reads = NORMLAB_READS_DENOMINATOR | NORMLAB_READS_GAMMA_OFFSET;
    const auto silent = plugin_implementation(table, {"x.so", ""});
    CHECK((silent->supports(plain) && silent->supports(same_as_plain)));
    CHECK_THAT(silent->supports(narrower).reason, Contains("reads param_dtype (normlab_plugin.reads)"));
    table.version = 1 << 16 | 3;
    CHECK(plugin_implementation(table, {"x.so", ""})->supports(narrower).reason ==
          "it was built for version 1.3 of norms/plugin.h, which has no param_dtype; 1.4 or later is asked");
}
