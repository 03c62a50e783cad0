#pragma once
// What may stand behind a norm, and its slope, of eight elements at a time: the functions of norms/activation.hpp, in
// f64 whatever the data are, because the tails of silu need exponentials that float cannot hold.

#include <array>
#include <cstdint>
#include <limits>

#include "norms/cpu/gelu.hpp"
#include "norms/cpu/lanes.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

using L4 = std::int64_t __attribute__((vector_size(32)));

/// exp(v) = fraction * first * second, the latter two powers of 2, for v from -furthest to 0: products in that order
/// round once, also where the result is subnormal. Within 2 units in the last place; NaN of NaN.
constexpr double furthest = 1100;  // exp(-furthest) is 0, by far
struct Exponential {
    static constexpr auto inverse_factorials = [] {  // 1 / 13!, ..., 1 / 0!
        std::array<double, 14> out{};
        double factorial = 1;
        for (int n = 0; n <= 13; factorial *= ++n) out[static_cast<std::size_t>(13 - n)] = 1 / factorial;
        return out;
    }();
    D4 fraction, first, second;

    NORMLAB_INLINE explicit Exponential(D4 v) {
        // Adding `shift` rounds to an integer, which the low bits of the sum then hold.
        constexpr double shift = 0x1.8p52, ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
        constexpr auto power = [](D4 k) { return std::bit_cast<D4>(std::bit_cast<L4>(k + (shift + 1023)) << 52); };
        const D4 k = (v * 0x1.71547652b82fep0 + shift) - shift, half = (k * 0.5 + shift) - shift;
        const D4 r = (v - k * ln2_high) - k * ln2_low;  // |r| < 0.35: the series leaves 2^-61 of it
        fraction = D4{} + inverse_factorials[0];
        for (int n = 1; n <= 13; ++n) fraction = fraction * r + inverse_factorials[static_cast<std::size_t>(n)];
        first = power(half), second = power(k - half);
    }
    NORMLAB_INLINE D4 times(D4 by) const { return by * fraction * first * second; }
};

/// v where it lies within the two, else the nearer one; NaN stays.
NORMLAB_INLINE D4 within(D4 v, double least, double most) {
    const D4 above = v < least ? D4{} + least : v;
    return above > most ? D4{} + most : above;
}

/// by / (1 + exp(-v)): silu, and gelu by tanh.
NORMLAB_INLINE D4 times_sigmoid(D4 by, D4 v) {
    const Exponential e(within(v < 0.0 ? v : -v, -furthest, 0));
    const D4 high = by / (1.0 + e.times(D4{} + 1.0));
    return v >= 0.0 ? high : e.times(high);
}

/// s + z s (1 - s) u, s = sigmoid(v): the slope of z sigmoid(v) where v has the slope u.
NORMLAB_INLINE D4 sigmoid_slope(D4 z, D4 v, D4 u) {
    const D4 e = Exponential(within(v < 0.0 ? v : -v, -furthest, 0)).times(D4{} + 1.0);
    const D4 high = 1.0 / (1.0 + e), low = e * high;
    return (v >= 0.0 ? high : low) + z * (high * low) * u;
}

/// v with (1 + tanh(u)) / 2 = sigmoid(v), and its slope; u is gelu_tanh's.
struct GeluTanh {
    D4 value, slope;
    NORMLAB_INLINE explicit GeluTanh(D4 z) {
        constexpr double c = 0x1.9884533d43651p0, a = 0.044715;  // c = 2 sqrt(2 / pi)
        const D4 square = z * z;
        value = c * (z + a * square * z), slope = c * (1.0 + 3 * a * square);
    }
};

NORMLAB_INLINE D4 each_of(D4 z, double (*f)(double)) {
    D4 out;
    for (int j = 0; j < 4; ++j) out[j] = f(z[j]);
    return out;
}

// Beyond `furthest` sigmoid and its slope are what they are there, and no infinity is multiplied by 0.
NORMLAB_INLINE D4 activated(Activation by, D4 z) {
    const D4 tail = within(z, -furthest, std::numeric_limits<double>::infinity());
    switch (by) {
        case Activation::relu: return z <= 0.0 ? D4{} : z;
        case Activation::silu: return times_sigmoid(tail, tail);
        case Activation::gelu: return each_of(z, gelu);
        case Activation::gelu_tanh: return times_sigmoid(tail, GeluTanh(tail).value);
        default: return z;
    }
}
NORMLAB_INLINE D4 activation_slope(Activation by, D4 z) {
    const D4 near = within(z, -furthest, furthest);
    switch (by) {
        case Activation::relu: return z > 0.0 ? D4{} + 1.0 : z <= 0.0 ? D4{} : z;
        case Activation::silu: return sigmoid_slope(near, near, D4{} + 1.0);
        case Activation::gelu: return each_of(z, gelu_slope);
        case Activation::gelu_tanh: {
            const GeluTanh u(near);
            return sigmoid_slope(near, u.value, u.slope);
        }
        default: return D4{} + 1.0;
    }
}

// Called and not inlined: with their exponentials in every loop the kernels take a third longer to compile and are a
// third larger. By reference, because vector types never cross such a call.
[[gnu::noinline]] inline void activate(Activation by, D8& z) { z = {activated(by, z.low), activated(by, z.high)}; }
[[gnu::noinline]] inline void to_slope(Activation by, D8& z) {
    z = {activation_slope(by, z.low), activation_slope(by, z.high)};
}
NORMLAB_INLINE D8 activated(Activation by, D8 z) {
    activate(by, z);
    return z;
}
NORMLAB_INLINE D8 activation_slope(Activation by, D8 z) {
    to_slope(by, z);
    return z;
}

// Where a pass puts z, the result of a norm without its activation: put(offset, z, how many).

/// y = z.
template <class T>
struct AsItIs {
    T* y;
    template <class A>
    NORMLAB_INLINE void put(std::int64_t at, Lanes<A> z, auto some) const {
        store<A>(y + at, z, some);
    }
    template <class Blocks>
    NORMLAB_INLINE void put_each(const Blocks& blocks, std::int64_t at, D8 z) const {
        blocks.store_each(y + at, z);
    }
};

/// y = act(z).
template <class T>
struct Activated {
    T* y;
    Activation by;
    template <class A>
    NORMLAB_INLINE void put(std::int64_t at, Lanes<A> z, auto some) const {
        store<double>(y + at, activated(by, D8(z)), some);
    }
    template <class Blocks>
    NORMLAB_INLINE void put_each(const Blocks& blocks, std::int64_t at, D8 z) const {
        blocks.store_each(y + at, activated(by, z));
    }
};

/// dz = dy act'(z), in the type that is computed in: no rounding to 16 bits.
template <class T>
struct BeforeActivation {
    const T* dy;
    ParamOf<T>* dz;
    Activation by;
    template <class A>
    NORMLAB_INLINE void put(std::int64_t at, Lanes<A> z, auto some) const {
        store<double>(dz + at, load<double>(dy + at, some) * activation_slope(by, D8(z)), some);
    }
    template <class Blocks>
    NORMLAB_INLINE void put_each(const Blocks& blocks, std::int64_t at, D8 z) const {
        blocks.store_each(dz + at, blocks.load_each(dy + at) * activation_slope(by, z));
    }
};

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
