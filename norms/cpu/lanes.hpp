#pragma once
// Eight elements at a time, as GCC's and clang's vector types: the compiler turns them into whatever the target has,
// with the same result. Storage types are widened on loading and rounded to nearest even on storing, to the same bits
// as in norms/half.hpp and norms/fp8.hpp. A partial group is padded with zeros, so that body and tail of a loop round
// alike.

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#ifdef __AVX__
#include <immintrin.h>
#elif defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "norms/cpu/setup.hpp"
#include "norms/fp8.hpp"
#include "norms/half.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

constexpr std::int64_t lane_count = 8;
using F8 = float __attribute__((vector_size(32)));
using F4 = float __attribute__((vector_size(16)));
using D4 = double __attribute__((vector_size(32)));
using U8 = std::uint32_t __attribute__((vector_size(32)));
using U4 = std::uint32_t __attribute__((vector_size(16)));
using H8 = std::uint16_t __attribute__((vector_size(16)));
using B8 = std::uint8_t __attribute__((vector_size(8)));

// Four floats to doubles and back: one instruction, which GCC 12 does not find by itself.
#ifdef __AVX__
NORMLAB_INLINE D4 widened(F4 v) { return _mm256_cvtps_pd(v); }
NORMLAB_INLINE F4 narrowed(D4 v) { return _mm256_cvtpd_ps(v); }
#else
NORMLAB_INLINE D4 widened(F4 v) { return __builtin_convertvector(v, D4); }
NORMLAB_INLINE F4 narrowed(D4 v) { return __builtin_convertvector(v, F4); }
#endif

// The low bytes of numbers below 256, likewise in two instructions.
#ifdef __x86_64__
NORMLAB_INLINE B8 low_bytes(U8 v) {
    const auto low = std::bit_cast<__m128i>(U4(__builtin_shufflevector(v, v, 0, 1, 2, 3))),
               high = std::bit_cast<__m128i>(U4(__builtin_shufflevector(v, v, 4, 5, 6, 7)));
    const __m128i words = _mm_packs_epi32(low, high);
    return std::bit_cast<B8>(_mm_cvtsi128_si64(_mm_packus_epi16(words, words)));
}
#else
NORMLAB_INLINE B8 low_bytes(U8 v) { return __builtin_convertvector(v, B8); }
#endif

/// Eight doubles: a pair of the widest vector that compilers keep in registers on every x86-64-v3 machine.
struct D8 {
    D4 low{}, high{};
    D8() = default;
    NORMLAB_INLINE D8(D4 l, D4 h) : low(l), high(h) {}
    NORMLAB_INLINE D8(double v) : low(D4{} + v), high(D4{} + v) {}
    NORMLAB_INLINE explicit D8(F8 v)
        : low(widened(__builtin_shufflevector(v, v, 0, 1, 2, 3))),
          high(widened(__builtin_shufflevector(v, v, 4, 5, 6, 7))) {}
    NORMLAB_INLINE explicit operator F8() const {
        return __builtin_shufflevector(narrowed(low), narrowed(high), 0, 1, 2, 3, 4, 5, 6, 7);
    }
    NORMLAB_INLINE friend D8 operator+(D8 a, D8 b) { return {a.low + b.low, a.high + b.high}; }
    NORMLAB_INLINE friend D8 operator-(D8 a, D8 b) { return {a.low - b.low, a.high - b.high}; }
    NORMLAB_INLINE friend D8 operator*(D8 a, D8 b) { return {a.low * b.low, a.high * b.high}; }
    NORMLAB_INLINE friend D8 operator/(D8 a, D8 b) { return {a.low / b.low, a.high / b.high}; }
    NORMLAB_INLINE D8& operator+=(D8 b) { return *this = *this + b; }
};
template <class A>
using Lanes = std::conditional_t<std::is_same_v<A, float>, F8, D8>;

/// How many of a group's elements there are: all (known to the compiler), or 1 to 7.
using Full = std::integral_constant<std::int64_t, lane_count>;

template <class V>
NORMLAB_INLINE V bits_at(const void* p) {
    V v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

NORMLAB_INLINE U8 chosen(U8 mask, U8 yes, U8 no) { return (mask & yes) | (~mask & no); }
template <class M>
NORMLAB_INLINE U8 as_mask(M comparison) {  // all ones where it held
    return std::bit_cast<U8>(comparison);
}

NORMLAB_INLINE F8 widened(H8 half, bf16) { return std::bit_cast<F8>(__builtin_convertvector(half, U8) << 16); }

NORMLAB_INLINE F8 widened(H8 half, f16) {
    const U8 bits = __builtin_convertvector(half, U8), magnitude = (bits & 0x7fffu) << 13;
    // the exponent's bias; subnormals become normal
    const U8 finite = std::bit_cast<U8>(std::bit_cast<F8>(magnitude) * 0x1p112f);
    return std::bit_cast<F8>(chosen(as_mask(magnitude >= 0x0f800000u), magnitude | 0x7f800000u, finite) |
                             ((bits & 0x8000u) << 16));
}

NORMLAB_INLINE H8 narrowed(F8 v, bf16) {
    const U8 u = std::bit_cast<U8>(v), rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    return __builtin_convertvector(chosen(as_mask(v != v), (u >> 16) | 0x40u, rounded), H8);
}

NORMLAB_INLINE H8 narrowed(F8 v, f16) {  // the cases of f16's constructor, all computed, one chosen
    const U8 u = std::bit_cast<U8>(v), sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu,
             shifted = magnitude - 0x38000000u;
    const U8 normal = (shifted + 0xfffu + ((shifted >> 13) & 1u)) >> 13;
    const U8 subnormal = std::bit_cast<U8>(std::bit_cast<F8>(magnitude) + 0.5f) - 0x3f000000u;
    U8 r = chosen(as_mask(magnitude < 0x38800000u), subnormal, normal);
    r = chosen(as_mask(magnitude >= 0x477ff000u), U8{} + 0x7c00u, r);
    r = chosen(as_mask(magnitude > 0x7f800000u), U8{} + 0x7e00u, r);
    return __builtin_convertvector(sign | r, H8);
}

template <int exponent_bits, std::uint8_t largest_code>
NORMLAB_INLINE B8 narrowed(F8 v, Float8<exponent_bits, largest_code>) {
    using Q = Float8<exponent_bits, largest_code>;
    constexpr int dropped = 23 - Q::fraction_bits;
    constexpr std::uint32_t least_normal = (128u - Q::bias) << 23,
                            largest = ((127u - Q::bias) << 23) + (std::uint32_t{largest_code} << dropped);
    const U8 u = std::bit_cast<U8>(v), magnitude = u & 0x7fffffffu,
             kept = magnitude > largest ? U8{} + largest : magnitude, exponent = kept & 0x7f800000u,
             power = exponent > least_normal ? exponent : U8{} + least_normal;
    // 2^23 of what neighbours are apart here: the sum rounds at that place, and has their number in its low bits
    const U8 aligned = power + (static_cast<std::uint32_t>(dropped) << 23),
             steps = std::bit_cast<U8>(std::bit_cast<F8>(kept) + std::bit_cast<F8>(aligned)) - aligned,
             code = ((power - least_normal) >> dropped) + steps;
    return low_bytes(((u >> 24) & 0x80u) | code | (as_mask(v != v) & 0x7fu));
}

/// Eight elements at p as A (float or double; double data as double only).
template <class A, class T>
NORMLAB_INLINE Lanes<A> load(const T* p, Full) {
    if constexpr (std::is_same_v<T, double>) return D8(bits_at<D4>(p), bits_at<D4>(p + 4));
    else if constexpr (std::is_same_v<T, A>) return bits_at<F8>(p);
    else if constexpr (std::is_same_v<T, float>) return D8(bits_at<F8>(p));
    else if constexpr (std::is_same_v<A, float>) return widened(bits_at<H8>(p), T{});
    else return D8(widened(bits_at<H8>(p), T{}));
}

template <class A, class T>
NORMLAB_INLINE void store(T* p, Lanes<A> v, Full) {
    if constexpr (std::is_same_v<T, double>) {
        std::memcpy(p, &v.low, sizeof v.low);
        std::memcpy(p + 4, &v.high, sizeof v.high);
    } else if constexpr (std::is_same_v<T, A>) {
        std::memcpy(p, &v, sizeof v);
    } else if constexpr (std::is_same_v<A, double>) {
        store<float>(p, static_cast<F8>(v), Full{});
    } else {
        const auto narrow = narrowed(v, T{});
        std::memcpy(static_cast<void*>(p), &narrow, sizeof narrow);
    }
}

template <class A, class T>
NORMLAB_INLINE Lanes<A> load(const T* p, std::int64_t count) {
    T padded[lane_count]{};
    for (std::int64_t j = 0; j < count; ++j) padded[j] = p[j];
    return load<A>(static_cast<const T*>(padded), Full{});
}

template <class A, class T>
NORMLAB_INLINE void store(T* p, Lanes<A> v, std::int64_t count) {
    T padded[lane_count];
    store<A>(padded, v, Full{});
    for (std::int64_t j = 0; j < count; ++j) p[j] = padded[j];
}

/// v as it would be read again, were it stored as T.
template <class A, class T>
NORMLAB_INLINE Lanes<A> as_stored(Lanes<A> v) {
    T kept[lane_count];
    store<A>(kept, v, Full{});
    return load<A>(static_cast<const T*>(kept), Full{});
}

/// f(k, how many) for k = 0, 8, 16, ... below n; the last group may be partial.
template <class F>
NORMLAB_INLINE void for_groups(std::int64_t n, F f) {
    std::int64_t k = 0;
    for (; k + lane_count <= n; k += lane_count) f(k, Full{});
    if (k < n) f(k, n - k);
}

NORMLAB_INLINE double sum(D8 v) {
    const D4 s = v.low + v.high;
    return (s[0] + s[2]) + (s[1] + s[3]);
}

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
