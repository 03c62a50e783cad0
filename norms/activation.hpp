#pragma once
// What may stand behind a norm, and its derivative: in float, double, Quad or Complex. Nothing overflows on the way,
// and at the infinities they are their limits. NaN stays NaN.

#include <cmath>
#include <limits>
#include <numbers>

#include "norms/element.hpp"
#include "norms/spec.hpp"

namespace normlab {
namespace activation {

/// 1 - erf(v). Of Complex to first order in the imaginary part, which is all that the complex step asks. Of Quad, as
/// the next, in reference/verification.cpp.
template <class T>
T erfc_of(const T& v) {
    using std::erfc;
    if constexpr (is_complex<T>) {
        const double x = v.real();
        return {erfc(x), -2 * std::numbers::inv_sqrtpi * std::exp(-x * x) * v.imag()};
    } else {
        return erfc(v);
    }
}
template <class T>
T two_over_root_pi() {
    return T(2 * std::numbers::inv_sqrtpi);
}

/// 1 / (1 + exp(-v)), with no exponential above 1.
template <class T>
T sigmoid(const T& v) {
    using std::exp;
    if (real_part(v) >= 0) return T(1) / (T(1) + exp(T(-v)));
    const T e = exp(v);
    return e / (T(1) + e);
}

/// 2 u with u of gelu_tanh, since (1 + tanh u) / 2 = sigmoid(2 u); and its derivative.
template <class T>
struct TwiceU {
    T value, slope;

    explicit TwiceU(const T& z) {
        using std::sqrt;
        const T c = two_over_root_pi<T>() * sqrt(T(2)), a = T(44715) / T(1000000), square = z * z;
        value = c * (z + a * square * z), slope = c * (T(1) + T(3) * a * square);
    }
};

}  // namespace activation

/// y of z; tau is that of a threshold.
template <class T>
T activated(Activation by, const T& z, const T& tau = T(0)) {
    using std::sqrt;
    const auto x = real_part(z);
    using Real = std::remove_const_t<decltype(x)>;
    if (by == Activation::none) return z;
    if (by == Activation::threshold) return x >= real_part(tau) || x != x ? z : tau;
    if (by == Activation::relu) return x <= 0 ? T(0) : z;
    if (x == std::numeric_limits<Real>::infinity()) return z;
    if (x == -std::numeric_limits<Real>::infinity()) return T(0);
    if (by == Activation::silu) return z * activation::sigmoid(z);
    if (by == Activation::gelu) return z * (activation::erfc_of<T>(-z * sqrt(T(0.5))) * T(0.5));
    return z * activation::sigmoid(activation::TwiceU<T>(z).value);
}

/// dy/dz at z, but of a threshold, which chooses and does not multiply.
template <class T>
T activation_slope(Activation by, const T& z) {
    using std::exp;
    using std::sqrt;
    const auto x = real_part(z);
    using Real = std::remove_const_t<decltype(x)>;
    if (by == Activation::none) return T(1);
    if (by == Activation::relu) return x > 0 ? T(1) : x <= 0 ? T(0) : z;
    if (x == std::numeric_limits<Real>::infinity()) return T(1);
    if (x == -std::numeric_limits<Real>::infinity()) return T(0);
    if (by == Activation::gelu) {
        const T density = activation::two_over_root_pi<T>() * sqrt(T(0.125)) * exp(T(-z * z * T(0.5)));
        return activation::erfc_of<T>(-z * sqrt(T(0.5))) * T(0.5) + z * density;
    }
    const activation::TwiceU<T> u(z);
    const bool tanh = by == Activation::gelu_tanh;
    const T v = tanh ? u.value : z, s = activation::sigmoid(v), by_v = s * activation::sigmoid(T(-v));
    if (real_part(by_v) == 0) return s;  // what it is multiplied by may be infinite
    return s + z * by_v * (tanh ? u.slope : T(1));
}

}  // namespace normlab
