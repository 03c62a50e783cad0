#include "verify/truth/activation.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace normlab::truth {
namespace {

// of 106 bits
constexpr Wide ln_2(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56),
    root_half(0x1.6a09e667f3bcdp-1, -0x1.bdd3413b26456p-55),
    two_over_root_pi(0x1.20dd750429b6dp+0, 0x1.1ae3a914fed80p-56),
    root_of_2_over_pi(0x1.9884533d43651p-1, -0x1.cbc0d30ebfd15p-55),
    cubic(0x1.6e4e26d4801f7p-5, 0x1.441355475a31ap-59);  // 0.044715

// exp(v) for v <= 0. v = k ln 2 + 1024 r with |r| < 2^-11: eleven terms of the series leave 2^-140 of it, and ten
// squarings make 2^10 times their rounding, 2^-104, of it. k ln 2 is off by 2^-96 at most.
Wide exp(const Wide& v) {
    if (!(v.high > -740)) return std::isnan(v.high) ? v : Wide();
    const double k = std::round(v.high * std::numbers::log2e);
    const Wide r = (v - ln_2 * k) * 0x1p-10;
    Wide sum(1.0);
    for (int n = 11; n > 0; --n) sum = sum * r / static_cast<double>(n) + 1.0;
    for (int n = 0; n < 10; ++n) sum = sum * sum;
    return {std::ldexp(sum.high, static_cast<int>(k)), std::ldexp(sum.low, static_cast<int>(k))};
}

// 1 / (1 + exp(-v))
Wide sigmoid(const Wide& v) {
    if (v.high >= 0) return 1.0 / (exp(-v) + 1.0);
    const Wide e = exp(v);
    return e / (e + 1.0);
}

Wide density(const Wide& z) { return std::abs(z.high) > 40 ? Wide() : exp(z * z * -0.5) * root_of_2_over_pi * 0.5; }

Wide distribution(const Wide& z) {
    const Wide x = z * root_half;
    const Wide decay = std::abs(x.high) < 9 ? exp(-(x * x)) : Wide();
    return (erf_by_series(x, two_over_root_pi, decay) + 1.0) * 0.5;
}

// (1 + tanh u) / 2 = sigmoid(2 u). Where |z| is 20, |u| is 300.
Wide twice_u(const Wide& z) { return (z + z * z * z * cubic) * root_of_2_over_pi * 2.0; }

double of_infinity(double z, double at_infinity) { return z > 0 ? at_infinity : 0; }

}  // namespace

Wide activated(Activation by, const Wide& z) {
    if (by == Activation::none) return z;
    if (by == Activation::relu) return z.high <= 0 ? Wide() : z;
    if (std::isinf(z.high)) return of_infinity(z.high, z.high);
    if (by == Activation::silu) return z * sigmoid(z);
    if (by == Activation::gelu) return z * distribution(z);
    return std::abs(z.high) > 20 ? (z.high > 0 ? z : Wide()) : z * sigmoid(twice_u(z));
}

Wide activation_slope(Activation by, const Wide& z) {
    if (by == Activation::none) return 1;
    if (std::isnan(z.high)) return z;
    if (by == Activation::relu) return z.high > 0 ? 1 : 0;
    if (std::isinf(z.high)) return of_infinity(z.high, 1);
    if (by == Activation::silu) return sigmoid(z) + z * sigmoid(z) * sigmoid(-z);
    if (by == Activation::gelu) return distribution(z) + z * density(z);
    if (std::abs(z.high) > 20) return z.high > 0 ? 1 : 0;
    const Wide v = twice_u(z), dv = (z * z * cubic * 3.0 + 1.0) * root_of_2_over_pi * 2.0;
    return sigmoid(v) + z * dv * sigmoid(v) * sigmoid(-v);
}

namespace {

// No less than |act''| at any distance of `from` or more from 0; relu's is 0 but at its kink.
double largest_curvature(Activation by, double from) {
    const double t = std::min(from, 1e3);
    if (by == Activation::silu) return std::min(0.5, std::exp(-t) * (2 + t));
    if (by == Activation::gelu) return std::min(0.8, 0.4 * std::exp(-t * t / 2) * (2 + t * t));
    if (by != Activation::gelu_tanh) return 0;
    const double c = 0.8, a = 0.044715, u = 0.797 * (t + a * t * t * t), du = c * (1 + 3 * a * t * t);
    return std::min(0.8, 4 * std::exp(-2 * u) * (du + t * du * du + 3 * c * a * t * t));
}

}  // namespace

// The function's own rounding: a decent expf, erff or tanhf is right to 2 ulp, 4 u of its value. silu: that of exp, of
// 1 + exp(-z), of the quotient: 6 u |y|; by a tanh, z (1 + tanh(z / 2)) / 2, absolute: 3 u |z|. gelu by erf, at large
// negative z 1 + erf(z / sqrt 2) cancels to what erf lost near -1: 2 u of it, u of its argument's product, u of the
// sum, times |z| / 2: 2 u |z|. gelu_tanh: tanh 2 u, its argument's roundings 5 u times u sech^2 u < 0.45, the sum
// u: 2.7 u |z|. Hence 4 u (|z| + |y|) of each. Of the slopes: 1 - s and 1 - t^2 cancel to 2 u, and to 4 u, where s and
// t are 1; z multiplies that, of gelu_tanh z du / 2, whose t is +-1 to the last digit beyond |z| = 8: 4 u (1 + |z| du).
ActivationErrors activation_errors(Activation by, double z, double error, double u) {
    constexpr double steepest = 1.13, change = 1.3;  // act' is between -0.13 and 1.13
    if (by == Activation::none) return {error, 0};
    if (by == Activation::relu)  // either side of the kink, unless z is 0 exactly
        return {z + error > 0 ? error : 0, error > 0 && std::abs(z) <= error ? 1.0 : 0.0};
    const double size = std::abs(z), curvature = largest_curvature(by, std::max(0.0, size - error));
    const double slope = std::abs(activation_slope(by, z).high), y = std::abs(activated(by, z).high);
    const double t = std::min(size, 8.0), inner = by == Activation::gelu_tanh ? t * (1 + 0.134145 * t * t) : size;
    return {std::min(steepest, slope + curvature * error) * error + 4 * u * (size + y),
            std::min(change, curvature * error) + 4 * u * (1 + inner)};
}

}  // namespace normlab::truth
