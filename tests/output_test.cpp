// y of another type than the data: the types of 8 bits, numbers by hand, what is judged, and plug-ins that do not know
// of it.

#include <cmath>

#include "norms/names.hpp"
#include "norms/norm.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "tests/reads.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/check/quantized.hpp"
#include "verify/truth/bounds.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

// The value that a code stands for, from the definition of the format.
double meaning(int code, int exponent_bits, bool has_infinity) {
    const int fraction_bits = 7 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1, top = (1 << exponent_bits) - 1,
              exponent = (code & 0x7f) >> fraction_bits, fraction = code & ((1 << fraction_bits) - 1);
    const double sign = code & 0x80 ? -1 : 1;
    if (has_infinity && exponent == top) return fraction == 0 ? sign * INFINITY : std::nan("");
    if ((code & 0x7f) == 0x7f) return std::nan("");
    const double scaled = std::ldexp(fraction, -fraction_bits);
    return sign * (exponent == 0 ? std::ldexp(scaled, 1 - bias) : std::ldexp(1 + scaled, exponent - bias));
}

template <class Float8>
void check_format(int exponent_bits, bool has_infinity, int largest_code) {
    for (int code = 0; code < 256; ++code) {
        CAPTURE(code);
        Float8 v;
        v.bits = static_cast<std::uint8_t>(code);
        const double value = meaning(code, exponent_bits, has_infinity), got = static_cast<float>(v);
        if (std::isnan(value)) {
            CHECK((std::isnan(got) && std::isnan(static_cast<float>(Float8(value)))));
            continue;
        }
        CHECK((got == value && std::signbit(got) == std::signbit(value)));
        CHECK(Float8(value).bits == (std::isinf(value) ? (code & 0x80) + largest_code : code));
        if ((code & 0x7f) >= largest_code) continue;
        // half way to the next goes to the even one, a little beside it to the nearer one
        const double middle = (value + meaning(code + 1, exponent_bits, has_infinity)) / 2;
        CHECK(Float8(middle).bits == code + code % 2);
        CHECK(Float8(std::nextafter(middle, 0.0)).bits == code);
        CHECK(Float8(std::nextafter(middle, code < 0x80 ? INFINITY : -INFINITY)).bits == code + 1);
        CHECK(Float8(std::nextafter(static_cast<float>(middle), 0.0f)).bits == code);
    }
    const double largest = meaning(largest_code, exponent_bits, has_infinity);
    for (const double beyond : {largest * 1.04, largest * 1.07, largest * 2, 1e300, static_cast<double>(INFINITY)}) {
        CHECK(Float8(beyond).bits == largest_code);
        CHECK(Float8(-beyond).bits == largest_code + 0x80);
    }
}

Outputs<double> of(const Inputs<double>& in) { return run_forward(find_implementation("reference"), in); }

// x = 1, 7: s = 5, y = 0.2, 1.4.
Inputs<double> by_hand(DType output, Scale scale = Scale::given, double given = 0) {
    Inputs<double> in{{rms_norm(0), {1, 2, 1}}, {1, 7}, {}, {}, {}, {}};
    in.problem.spec.output = output, in.problem.spec.scale = scale;
    if (given != 0) in.scale = {given};
    return in;
}

using Numbers = std::vector<double>;

std::string verdicts(const std::vector<Finding>& findings) {
    std::string failed;
    for (const Finding& f : findings)
        if (f.verdict == Verdict::fail) failed += (failed.empty() ? "" : " ") + f.quantity;
    return failed;
}

}  // namespace

TEST_CASE("output: every e4m3 and e5m2 has its value, survives the round trip and rounds to nearest even, saturating") {
    check_format<e4m3>(4, false, 0x7e);
    check_format<e5m2>(5, true, 0x7b);
    for (const DType d : {DType::e4m3, DType::e5m2}) {
        const DTypeRow& row = row_of(d);
        CAPTURE(row.name);
        CHECK((rounded(row.largest, d) == row.largest && rounded(2 * row.largest, d) == row.largest));
        CHECK((rounded(1 + 2 * row.roundoff, d) == 1 + 2 * row.roundoff && rounded(1 + row.roundoff, d) == 1));
        CHECK((rounded(row.smallest_subnormal, d) == row.smallest_subnormal &&
               rounded(row.smallest_subnormal / 2, d) == 0));
        CHECK((row.smallest_subnormal == 2 * row.roundoff * row.smallest_normal && !is_kernel_dtype(d)));
    }
}

TEST_CASE("output: its words, and what is no output") {
    const char* text =
        "layer_norm reference bf16 nchw train 2x3x4 output=e4m3 scale=block scale_power_of_two=1 seed=1 check=accuracy";
    CHECK(parse_case(text).text() == text);
    const auto refused = [](const std::string& rest) {
        try {
            validate(parse_case("layer_norm reference " + rest).problem());
        } catch (const Error& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    CHECK(refused("f32 nchw 2x3x4 output=e5m2 scale=channels").empty());
    CHECK_THAT(refused("f32 nchw 2x3x4 output=f16"), Contains("accepted: f32, e4m3, e5m2"));
    CHECK_THAT(refused("f64 nchw 2x3x4 output=f32"), Contains("beside data of f64; none is accepted"));
    CHECK_THAT(refused("f32 nchw 2x3x4 output=f32 scale=block"), Contains("output = e4m3 or e5m2 is accepted"));
    CHECK_THAT(refused("f32 nchw 2x3x4 output=e4m3 scale_power_of_two=1"), Contains("block or channels is accepted"));
    CHECK_THAT(refused("f32 nchw 2x3x4 output=e4m3 scale=block scale_value=1"), Contains("scale=given"));
    CHECK_THAT(refused("f32 nchw 2x3x4 output=e4m3 in_place=y check=combinations"), Contains("in_place=none or dx"));
    CHECK_THAT(find_check("zero_sum").refuses(parse_case("layer_norm reference bf16 nchw 2x3x4 output=f32")),
               Contains("y in the type of the data"));
    Problem data{layer_norm(), {2, 3, 4}, DType::e4m3}, params{layer_norm(), {2, 3, 4}};
    params.spec.param_dtype = DType::e5m2;
    CHECK_THROWS_WITH(validate(data), Contains("of y alone"));
    CHECK_THROWS_WITH(validate(params), Contains("of y alone"));
    Spec spec = batch_norm();
    spec.output = DType::e4m3;
    CHECK_THROWS_WITH(fold(spec, initial_state(batch_norm(), 3), {}, DType::f32), Contains("no output is accepted"));
}

TEST_CASE("output: what a call with a y of another type is refused for") {
    float x[2] = {1, 7}, scale = 1;
    std::uint8_t y[8] = {};
    Saved saved;
    const ConstTensor in{x, DType::f32, {1, 2, 1}};
    Spec spec = rms_norm(0);
    const auto call = [&](void* to, DType type, float* by) {
        forward(spec, Mode::train, in, {}, nullptr, saved, {to, type, {1, 2, 1}}, find_implementation("reference"), {},
                nullptr, by);
    };
    CHECK_THROWS_WITH(call(x, DType::f32, &scale), Contains("null is accepted"));
    CHECK_THROWS_WITH(call(y, DType::e4m3, nullptr), Contains("y is e4m3"));
    spec.output = DType::e4m3;
    CHECK_THROWS_WITH(call(x, DType::e4m3, &scale), Contains("memory of its own is accepted"));
    CHECK_THROWS_WITH(call(y, DType::e4m3, nullptr), Contains("has no scale"));
    CHECK_NOTHROW(call(y, DType::e4m3, &scale));
    CHECK((y[0] == 0x25 && y[1] == 0x3b && scale == 1));  // 13/64 = 1.625 * 2^-3 and 11/8
}

// e4m3: 0.2 is 12.8/64 and 1.4 is 11.2/8; e5m2: 6.4/32 and 5.6/4.
TEST_CASE("output: rms norm in 8 bits by hand, with a scale that is given") {
    CHECK(of(by_hand(DType::e4m3, Scale::given, 1)).q == Numbers{13.0 / 64, 11.0 / 8});
    CHECK(of(by_hand(DType::e5m2, Scale::given, 1)).q == Numbers{6.0 / 32, 6.0 / 4});
    // 204.8 is 12.8 * 16, and 1433.6 beyond the largest
    const Outputs<double> saturated = of(by_hand(DType::e4m3, Scale::given, 0x1p-10));
    CHECK(saturated.q == Numbers{208, 448});
    CHECK(saturated.y == Numbers{208.0 / 1024, 448.0 / 1024});
    CHECK(of(by_hand(DType::e5m2, Scale::given, 0x1p-10)).q == Numbers{192, 1536});
    CHECK(of(by_hand(DType::e4m3, Scale::given, 64)).q == Numbers{2 * 0x1p-9, 11 * 0x1p-9});  // 1.6 and 11.2 of 2^-9
    Inputs<double> inverse = by_hand(DType::e4m3, Scale::given, 1024);
    inverse.problem.spec.scale_inverse = true;
    CHECK((of(inverse).q == saturated.q && of(inverse).y == saturated.y));
    // NaN stays NaN, and an infinity saturates
    Inputs<double> special = by_hand(DType::e5m2, Scale::given, 1);
    special.gamma = {static_cast<double>(INFINITY), std::nan("")};
    CHECK((of(special).q[0] == 57344 && std::isnan(of(special).q[1])));
}

// amax = 1.4, and 1.4 / 448 = 1 / 320. By 1 / 256 y is 51.2 = 12.8 * 4 and 358.4 = 11.2 * 32.
TEST_CASE("output: a scale that is found is a result, by block and by 128 channels, as a power of two and inverted") {
    for (const Scale kind : {Scale::block, Scale::channels}) {
        CAPTURE(name_of(kind));
        Inputs<double> in = by_hand(DType::e4m3, kind);
        const Outputs<double> plain = of(in);
        CHECK(plain.q == Numbers{64, 448});
        CHECK(plain.scale[0] == Approx(1.0 / 320).epsilon(1e-6));
        in.problem.spec.scale_power_of_two = true;
        CHECK((of(in).q == Numbers{52, 352} && of(in).scale == Numbers{1.0 / 256}));
        in.problem.spec.scale_inverse = true;
        CHECK((of(in).q == Numbers{52, 352} && of(in).scale == Numbers{256}));
        in.x = {0, 0};
        CHECK((of(in).q == Numbers{0, 0} && of(in).scale == Numbers{0x1p17}));
        in.problem.spec.scale_power_of_two = in.problem.spec.scale_inverse = false;
        CHECK((of(in).q == Numbers{0, 0} && of(in).scale == Numbers{static_cast<double>(1 / (448 * 512.0f))}));
    }
    Problem p{rms_norm(), {2, 258, 2}};
    p.spec.output = DType::e4m3, p.spec.scale = Scale::channels;
    CHECK(p.scale_count() == 2 * 2 * 3);
    CHECK(p.scale_entry((1 * 258 + 257) * 2 + 1) == 11);
    CHECK(p.scale_entry((1 * 258 + 128) * 2 + 0) == 7);
    p.spec.scale = Scale::block;
    CHECK((p.scale_count() == 2 && p.scale_entry(258 * 2) == 1 && p.scale_entry(258 * 2 - 1) == 0));
}

TEST_CASE("output: the blocks of scales are those of truth, in every variant") {
    for (const Variant* v : all_variants())
        for (const Mode mode : {Mode::train, Mode::eval}) {
            Case c;
            c.variant = v->name, c.shape = {6, 6, 3}, c.mode = mode, c.dtype = DType::f32, c.output = DType::e4m3,
            c.scale = Scale::block;
            if (c.spec().block.samples && may_keep_state(c.spec())) c.stat_batch = 2;
            if (c.spec().groups > 1) c.groups = 3;
            CAPTURE(c.text());
            const Problem p = c.problem();
            const auto sets = truth::index_sets(p);
            CHECK(std::ssize(sets) == p.scale_count());
            for (std::size_t b = 0; b < sets.size(); ++b)
                for (const std::size_t i : sets[b]) CHECK(p.scale_entry(i) == b);
        }
}

TEST_CASE("output: f32 beside 16 bits is y before it is rounded, and gradients are those without it") {
    for (const DType dtype : {DType::bf16, DType::f16}) {
        Inputs<double> in = draw(parse_case("layer_norm reference bf16 nchw 5x6x3 seed=3"));
        for (std::vector<double>* v : {&in.x, &in.dy}) *v = rounded(*v, dtype);
        in.problem.dtype = dtype;
        const Implementation& reference = find_implementation("reference");
        const Outputs<double> without = run(reference, in);
        in.problem.spec.output = DType::f32;
        const Outputs<double> with = run(reference, in);
        CHECK((with.dx == without.dx && with.dgamma == without.dgamma && with.dbeta == without.dbeta));
        CHECK(rounded(with.y, dtype) == without.y);
        CHECK(with.y != without.y);
        in.problem.spec = in.problem.spec.without_output(), in.problem.dtype = DType::f32;
        CHECK(with.y == run(reference, in).y);
    }
}

TEST_CASE("output: what is off by one number of the type, or in its scale by more than what rounds it, is seen") {
    for (const char* text : {"layer_norm reference f32 nchw 5x66x3 output=e4m3 scale_value=0.01",
                             "layer_norm reference bf16 nchw 5x66x3 output=e5m2 scale=block",
                             "batch_norm reference f32 nchw 5x66x3 output=e4m3 scale=channels scale_inverse=1",
                             "rms_norm reference f32 nchw 5x66x3 output=e5m2 scale=block scale_power_of_two=1"}) {
        CAPTURE(text);
        const Inputs<double> in = draw(parse_case(text));
        const truth::Result t = truth::evaluate(in);
        const Bounds bounds = error_bounds(in, t, Accumulation::sequential);
        const Outputs<double> right = of(in);
        CHECK(verdicts(judge_quantized(in, t, bounds.y, {}, right)).empty());
        std::size_t seen = 0, tried = 0;
        for (std::size_t i = 0; i < right.q.size(); i += 7) {
            Outputs<double> wrong = right;
            const double up = wrong.q[i] * (1 + row_of(*in.problem.spec.output).roundoff * 1.01);
            wrong.q[i] = rounded(up, *in.problem.spec.output);
            if (wrong.q[i] == right.q[i]) continue;
            dequantize(wrong, in.problem);
            ++tried, seen += verdicts(judge_quantized(in, t, bounds.y, {}, wrong)).find('q') != std::string::npos;
        }
        CHECK((tried > 50 && 50 * seen > 49 * tried));  // the others are near a midpoint
        if (!in.problem.spec.finds_scale()) continue;
        Outputs<double> wrong = right;
        wrong.scale[1] *= 1 + 0x1p-12;
        dequantize(wrong, in.problem);
        CHECK_THAT(verdicts(judge_quantized(in, t, bounds.y, {}, wrong)), Contains("scale"));
    }
}

TEST_CASE("a plug-in of an older version, or that does not say it reads it, is not asked for an output") {
    Problem asked{layer_norm(), {2, 3, 4}};
    for (const DType output : {DType::e4m3, DType::e5m2}) {
        asked.spec.output = output;
        check_that_it_must_read(asked, NORMLAB_READS_OUTPUT, 8, "output");
    }
}
