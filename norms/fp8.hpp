#pragma once
// Storage types of 8 bits, which y alone may have (Spec::output). Conversion from a double, or a float, rounds once to
// nearest even and saturates, infinities too; NaN stays NaN. Conversion to a float is exact.

#include <bit>
#include <cmath>
#include <cstdint>

#include "norms/dtype.hpp"  // whose enumerators have these names, too

namespace normlab {

/// The upper bits are those of an IEEE format with so many bits of exponent; the codes beyond `largest_code` are not
/// numbers.
template <int exponent_bits, std::uint8_t largest_code>
struct Float8 {
    static constexpr int fraction_bits = 7 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    std::uint8_t bits = 0;

    Float8() = default;
    explicit Float8(double v) {
        const int sign = std::signbit(v) ? 0x80 : 0;
        if (std::isnan(v)) bits = static_cast<std::uint8_t>(sign | 0x7f);
        else bits = static_cast<std::uint8_t>(sign | code_of(std::abs(v)));
    }
    explicit operator float() const {
        const int code = bits & 0x7f, exponent = code >> fraction_bits, fraction = code & ((1 << fraction_bits) - 1);
        float magnitude = std::ldexp(static_cast<float>(exponent == 0 ? fraction : fraction + (1 << fraction_bits)),
                                     (exponent == 0 ? 1 : exponent) - bias - fraction_bits);
        if (code > largest_code)
            magnitude = std::bit_cast<float>(has_infinity && fraction == 0 ? 0x7f800000u : 0x7fc00000u);
        return bits & 0x80 ? -magnitude : magnitude;
    }

private:
    static constexpr bool has_infinity = (largest_code >> fraction_bits) + 2 == 1 << exponent_bits;

    // Of a magnitude: what is beyond the largest number, an infinity too, is that number. The quotient by the distance
    // of neighbours is exact, and less than 2^(fraction_bits + 1); its rounding depends on no mode.
    static int code_of(double magnitude) {
        if (!(magnitude < std::ldexp(1.0, bias + 2))) return largest_code;
        int exponent = 1 - bias;
        if (magnitude >= std::ldexp(1.0, exponent)) exponent = std::ilogb(magnitude);
        const double steps = std::ldexp(magnitude, fraction_bits - exponent), whole = std::floor(steps);
        auto code = static_cast<int>(whole);
        const double rest = steps - whole;
        code += rest > 0.5 || (rest == 0.5 && code % 2 != 0) ? 1 : 0;
        code += (exponent + bias - 1) << fraction_bits;
        return code < largest_code ? code : largest_code;
    }
};

/// 4 bits of significand, up to 448, subnormals down to 2^-9; no infinity, NaN in 0x7f and 0xff (e4m3fn).
using e4m3 = Float8<4, 0x7e>;
/// 3 bits of significand, up to 57344, subnormals down to 2^-16; infinities in 0x7c and 0xfc, which no conversion
/// gives.
using e5m2 = Float8<5, 0x7b>;

}  // namespace normlab
