#pragma once
// exp in +, -, * alone, for loops that the compiler is to vectorise: no call, no branch, the same bits for every vector
// width and on every machine.

#include <bit>
#include <cstdint>
#include <type_traits>

namespace normlab::nn {

/// exp(x), x held to [-87, 88] (f32) or [-708, 709] (f64); NaN stays NaN. x = n ln 2 + r, |r| <= ln(2)/2 = 0.3466,
/// exp(r) by its series: the first term left out is 0.3466^9/9! < 2^-31 (f32) or 0.3466^14/14! < 2^-57 (f64), so that
/// rounding dominates: within 3 units in the last place.
template <class T>
inline T exponential(T x) {
    constexpr bool wide = std::is_same_v<T, double>;
    using Bits = std::conditional_t<wide, std::uint64_t, std::uint32_t>;
    constexpr int terms = wide ? 13 : 8, mantissa = wide ? 52 : 23;
    constexpr T low = wide ? T(-708) : T(-87), high = wide ? T(709) : T(88);
    constexpr T round = wide ? T(0x1.8p52) : T(0x1.8p23f);  // added, it leaves n in the last bits
    constexpr Bits bias = wide ? 1023 : 127;
    // ln 2 in two parts: the first has so few digits that its product with n is exact
    constexpr T ln2_high = wide ? T(0x1.62e42feep-1) : T(0x1.62ep-1f),
                ln2_low = wide ? T(0x1.a39ef35793c76p-33) : T(0x1.0bfbe8p-15f);
    x = x < low ? low : x;
    x = x > high ? high : x;
    const T shifted = x * T(1.4426950408889634) + round, n = shifted - round;
    const T r = (x - n * ln2_high) - n * ln2_low;
    constexpr double inverse_factorial[] = {
        1,         1,          1. / 2,      1. / 6,       1. / 24,       1. / 120,       1. / 720,
        1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};
    T sum = T(inverse_factorial[terms]);
    for (int k = terms - 1; k >= 0; --k) sum = sum * r + T(inverse_factorial[k]);
    const Bits power = (std::bit_cast<Bits>(shifted) - std::bit_cast<Bits>(round) + bias) << mantissa;
    return sum * std::bit_cast<T>(power);
}

}  // namespace normlab::nn
