#include <cstring>
#include <limits>

#include "norms/element.hpp"
#include "norms/plugin.h"
#include "tests/catch.hpp"

using normlab::bf16;
using normlab::f16;

namespace {

// The value that 16 bits stand for, from the definition of the format.
double meaning(unsigned bits, int exponent_bits, int fraction_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1, top = (1 << exponent_bits) - 1;
    const unsigned exponent = (bits >> fraction_bits) & static_cast<unsigned>(top),
                   fraction = bits & ((1u << fraction_bits) - 1);
    const double sign = bits & 0x8000u ? -1 : 1, scaled = std::ldexp(fraction, -fraction_bits);
    if (static_cast<int>(exponent) == top)
        return fraction ? std::nan("") : sign * std::numeric_limits<double>::infinity();
    return sign * (exponent ? std::ldexp(1 + scaled, static_cast<int>(exponent) - bias) : std::ldexp(scaled, 1 - bias));
}

template <class Half>
void check_format(int exponent_bits, int fraction_bits) {
    long wrong_value = 0, wrong_trip = 0, wrong_rounding = 0;
    for (unsigned bits = 0; bits < 0x10000u; ++bits) {
        Half h;
        h.bits = static_cast<std::uint16_t>(bits);
        const double value = meaning(bits, exponent_bits, fraction_bits);
        const auto f = static_cast<float>(h);
        if (std::isnan(value)) {
            wrong_value += !std::isnan(f);
            wrong_trip += !std::isnan(static_cast<float>(Half(f)));
            continue;
        }
        wrong_value += static_cast<double>(f) != value;
        wrong_trip += Half(f).bits != bits;
        const double next = meaning(bits + 1, exponent_bits, fraction_bits);
        if ((bits & 0x7fffu) == 0x7fffu || std::isinf(value)) continue;
        // half way to the next goes to the even one, a little beside it to the nearer one
        const bool last = std::isinf(next);
        const double step = last ? value - meaning(bits - 1, exponent_bits, fraction_bits) : next - value;
        const auto middle = static_cast<float>(value + step / 2);
        if (static_cast<double>(middle) != value + step / 2) continue;
        const unsigned even = bits % 2 ? bits + 1 : bits;
        wrong_rounding += Half(middle).bits != even;
        wrong_rounding += Half(std::nextafter(middle, 0.0f)).bits != bits;
        wrong_rounding += Half(std::nextafter(middle, (bits & 0x8000u) ? -INFINITY : INFINITY)).bits != bits + 1;
    }
    CHECK(wrong_value == 0);
    CHECK(wrong_trip == 0);
    CHECK(wrong_rounding == 0);
}

}  // namespace

TEST_CASE("every bf16 has its value, survives the round trip and floats round to nearest even") {
    check_format<bf16>(8, 7);
}
TEST_CASE("every f16 has its value, survives the round trip and floats round to nearest even") {
    check_format<f16>(5, 10);
}

TEST_CASE("beyond the largest f16 is infinity, below half the smallest is zero, signs stay") {
    CHECK(f16(65519.996f).bits == 0x7bff);
    CHECK(f16(65520.0f).bits == 0x7c00);
    CHECK(f16(-1e30f).bits == 0xfc00);
    CHECK(f16(0x1p-25f).bits == 0);
    CHECK(f16(-0x1p-26f).bits == 0x8000);
    CHECK(f16(0x1.000002p-25f).bits == 1);
    CHECK(bf16(-0.0f).bits == 0x8000);
}

TEST_CASE("the table of dtypes says what the storage types do") {
    using namespace normlab;
    for (const DType d : kernel_dtypes) {
        const DTypeRow& row = row_of(d);
        CAPTURE(row.name);
        with_storage_type(d, [&](auto tag) {
            using Storage = decltype(tag);
            const auto stored = [](double v) { return convert<double>(convert<Storage>(v)); };
            CHECK((DTypeOf<Storage>::value == d && sizeof(Storage) == row.size &&
                   sizeof(ParamOf<Storage>) == size_of(row.arithmetic)));
            CHECK((stored(1 + 2 * row.roundoff) == 1 + 2 * row.roundoff && stored(1 + row.roundoff) == 1));
            CHECK((stored(row.largest) == row.largest && std::isinf(stored(row.largest + row.largest * row.roundoff))));
            CHECK((stored(row.smallest_normal) == row.smallest_normal &&
                   row.smallest_subnormal == 2 * row.roundoff * row.smallest_normal));
            CHECK(
                (stored(row.smallest_subnormal) == row.smallest_subnormal && stored(row.smallest_subnormal / 2) == 0));
        });
    }
    CHECK((row_of(DType::f64).plugin_code == NORMLAB_F64 && row_of(DType::f32).plugin_code == NORMLAB_F32));
    CHECK((row_of(DType::bf16).plugin_code == NORMLAB_BF16 && row_of(DType::f16).plugin_code == NORMLAB_F16));
}
