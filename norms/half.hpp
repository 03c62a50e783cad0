#pragma once
// Storage types: one for each dtype that kernels are made for, those of 16 bits defined here. Conversion from float
// rounds to nearest even; NaN stays NaN; arithmetic is done in float.

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "norms/dtype.hpp"

namespace normlab {

/// bfloat16: the upper half of a float. 8 bits of significand.
struct bf16 {
    std::uint16_t bits = 0;
    bf16() = default;
    explicit bf16(float f) {
        const auto u = std::bit_cast<std::uint32_t>(f);
        bits = std::isnan(f) ? static_cast<std::uint16_t>((u >> 16) | 0x40u)
                             : static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }
    explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

/// IEEE binary16. 11 bits of significand, largest finite value 65504, subnormals down to 2^-24.
struct f16 {
    std::uint16_t bits = 0;
    f16() = default;
    explicit f16(float f) {
        const auto u = std::bit_cast<std::uint32_t>(f);
        const auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000u);
        const std::uint32_t magnitude = u & 0x7fffffffu;
        if (magnitude > 0x7f800000u) {
            bits = static_cast<std::uint16_t>(sign | 0x7e00u);
        } else if (magnitude >= 0x477ff000u) {  // 65520 and more round to infinity
            bits = static_cast<std::uint16_t>(sign | 0x7c00u);
        } else if (magnitude >= 0x38800000u) {  // normal: 2^-14 and more
            const std::uint32_t shifted = magnitude - 0x38000000u;
            bits = static_cast<std::uint16_t>(sign | ((shifted + 0xfffu + ((shifted >> 13) & 1u)) >> 13));
        } else {  // subnormal: a multiple of 2^-24; the sum with 1/2 rounds at that place
            const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
            bits = static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(aligned) - 0x3f000000u));
        }
    }
    explicit operator float() const {
        const std::uint32_t exponent = (bits >> 10) & 0x1fu, fraction = bits & 0x3ffu;
        const float magnitude = exponent == 0    ? std::ldexp(static_cast<float>(fraction), -24)
                                : exponent == 31 ? std::bit_cast<float>(0x7f800000u | (fraction << 13))
                                                 : std::bit_cast<float>(((exponent + 112u) << 23) | (fraction << 13));
        return bits & 0x8000u ? -magnitude : magnitude;
    }
};

/// Calls F(dtype, storage type) for every dtype that kernels are made for.
#define NORMLAB_EACH_STORAGE_TYPE(F) F(f64, double) F(f32, float) F(bf16, bf16) F(f16, f16)

/// The dtype whose elements are T.
template <class T>
struct DTypeOf {};
#define NORMLAB_DTYPE_OF(dtype, Storage)             \
    template <>                                      \
    struct DTypeOf<Storage> {                        \
        static constexpr DType value = DType::dtype; \
    };
NORMLAB_EACH_STORAGE_TYPE(NORMLAB_DTYPE_OF)
#undef NORMLAB_DTYPE_OF

/// Elements of arithmetic_dtype, for data of type T; of parameters too, where they are stored no narrower.
template <class T>
using ParamOf = std::conditional_t<(sizeof(T) < sizeof(float)), float, T>;

}  // namespace normlab
