#include "verify/truth/activation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace normlab::truth {
namespace {

// of 106 bits
constexpr Wide third(0x1.5555555555555p-2, 0x1.5555555555555p-56), ln_2(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56),
    root_half(0x1.6a09e667f3bcdp-1, -0x1.bdd3413b26456p-55),
    two_over_root_pi(0x1.20dd750429b6dp+0, 0x1.1ae3a914fed80p-56),
    root_of_2_over_pi(0x1.9884533d43651p-1, -0x1.cbc0d30ebfd15p-55),
    cubic(0x1.6e4e26d4801f7p-5, 0x1.441355475a31ap-59);  // 0.044715

// exp(v) for v <= 0. v = k ln 2 + 1024 r with |r| < 2^-11: nine terms of the series leave 2^-128 of it, those from the
// fifth on are below 2^-61 and are summed in double, and ten squarings make 2^10 times their rounding, 2^-103, of it.
// k ln 2 is off by 2^-96 at most.
Wide exp(const Wide& v) {
    if (!(v.high > -740)) return std::isnan(v.high) ? v : Wide();
    const double k = std::round(v.high * std::numbers::log2e);
    const Wide r = (v - ln_2 * k) * 0x1p-10;
    double rest = 0;
    for (int n = 9; n > 4; --n) rest = (1 + rest) * r.high / n;
    Wide sum = r * 0.25 * (Wide(1.0) + rest) + 1.0;
    sum = r * third * sum + 1.0;
    sum = r * 0.5 * sum + 1.0;
    sum = r * sum + 1.0;
    for (int n = 0; n < 10; ++n) sum = sum * sum;
    return {std::ldexp(sum.high, static_cast<int>(k)), std::ldexp(sum.low, static_cast<int>(k))};
}

// s = 1 / (1 + exp(-v)) and 1 - s
struct Sigmoid {
    Wide value, rest;
    explicit Sigmoid(const Wide& v) {
        const Wide e = exp(v.high >= 0 ? -v : v), larger = 1.0 / (e + 1.0), smaller = e * larger;
        value = v.high >= 0 ? larger : smaller, rest = v.high >= 0 ? smaller : larger;
    }
};

Wide density(const Wide& z) { return std::abs(z.high) > 40 ? Wide() : exp(z * z * -0.5) * root_of_2_over_pi * 0.5; }

Wide distribution(const Wide& z) {
    const Wide x = z * root_half;
    const Wide decay = std::abs(x.high) < 9 ? exp(-(x * x)) : Wide();
    return (erf_by_series(x, two_over_root_pi, decay) + 1.0) * 0.5;
}

// (1 + tanh u) / 2 = sigmoid(2 u). Where |z| is 20, |u| is 300.
Wide twice_u(const Wide& z) { return (z + z * z * z * cubic) * root_of_2_over_pi * 2.0; }

bool is_below(const Wide& z, double tau) { return z.high < tau || (z.high == tau && z.low < 0); }

double of_infinity(double z, double at_infinity) { return z > 0 ? at_infinity : 0; }

}  // namespace

Wide activated(Activation by, const Wide& z, double tau) {
    if (by == Activation::none) return z;
    if (by == Activation::threshold) return is_below(z, tau) ? Wide(tau) : z;
    if (by == Activation::relu) return z.high <= 0 ? Wide() : z;
    if (std::isinf(z.high)) return of_infinity(z.high, z.high);
    if (by == Activation::silu) return z * Sigmoid(z).value;
    if (by == Activation::gelu) return z * distribution(z);
    return std::abs(z.high) > 20 ? (z.high > 0 ? z : Wide()) : z * Sigmoid(twice_u(z)).value;
}

Wide activation_slope(Activation by, const Wide& z, double tau) {
    if (by == Activation::none) return 1;
    if (by == Activation::threshold) return is_below(z, tau) ? 0 : 1;
    if (std::isnan(z.high)) return z;
    if (by == Activation::relu) return z.high > 0 ? 1 : 0;
    if (std::isinf(z.high)) return of_infinity(z.high, 1);
    const auto of_sigmoid = [&](const Wide& v, const Wide& dv) {
        const Sigmoid s(v);
        return s.value + z * dv * s.value * s.rest;
    };
    if (by == Activation::silu) return of_sigmoid(z, 1.0);
    if (by == Activation::gelu) return distribution(z) + z * density(z);
    if (std::abs(z.high) > 20) return z.high > 0 ? 1 : 0;
    return of_sigmoid(twice_u(z), (z * z * cubic * 3.0 + 1.0) * root_of_2_over_pi * 2.0);
}

namespace {

// |y| and |act'| to some digits, which is all that a bound asks.
std::pair<double, double> sizes(Activation by, double z) {
    const double t = std::clamp(z, -30.0, 30.0), square = t * t;  // beyond it all is 0 or 1 to 2^-43
    const double length = std::min(std::abs(z), std::numeric_limits<double>::max());
    if (by == Activation::gelu) {
        const double distribution = std::erfc(-t * root_half.high) / 2;
        return {length * distribution, std::abs(distribution + t * std::exp(-square / 2) * root_of_2_over_pi.high / 2)};
    }
    const bool tanh = by == Activation::gelu_tanh;
    const double v = tanh ? twice_u(t).high : t,
                 dv = tanh ? (1 + 3 * cubic.high * square) * root_of_2_over_pi.high * 2 : 1;
    const double s = 1 / (1 + std::exp(-v)), rest = 1 / (1 + std::exp(v));
    return {length * s, std::abs(s + t * dv * s * rest)};
}

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
ActivationErrors activation_errors(Activation by, double z, double error, double u, double tau) {
    constexpr double steepest = 1.13, change = 1.3;  // act' is between -0.13 and 1.13
    if (by == Activation::none) return {error, 0, 1};
    if (by == Activation::relu)  // either side of the kink, unless z is 0 exactly
        return {z + error > 0 ? error : 0, error > 0 && std::abs(z) <= error ? 1.0 : 0.0, z > 0 ? 1.0 : 0.0};
    if (by == Activation::threshold)  // likewise, unless z is exact
        return {z + error > tau ? error : 0, error > 0 && std::abs(z - tau) <= error ? 1.0 : 0.0, z >= tau ? 1.0 : 0.0};
    const double size = std::abs(z), curvature = largest_curvature(by, std::max(0.0, size - error));
    const auto [y, slope] = sizes(by, z);
    const double t = std::min(size, 8.0), inner = by == Activation::gelu_tanh ? t * (1 + 0.134145 * t * t) : size;
    return {std::min(steepest, slope + curvature * error) * error + 4 * u * (size + y),
            std::min(change, curvature * error) + 4 * u * (1 + inner), slope};
}

}  // namespace normlab::truth
