#pragma once
// Two doubles whose unevaluated sum is the number: 106 bits at a tenth of the price of quad arithmetic and half of its
// memory. Algorithms and error bounds: Joldes, Muller & Popescu 2017, "Tight and rigorous error bounds for basic
// building blocks of double-word arithmetic" (u = 2^-53, relative): sum 3 u^2, product 5 u^2, quotient 9.8 u^2; root
// 25/8 u^2 (Lefevre, Louvet, Muller, Picot & Rideau 2022). They hold while nothing overflows or underflows:
// formula.cpp asks first.

#include <cmath>

#include "norms/quad.hpp"

namespace normlab::truth {

struct Wide {
    double high = 0, low = 0;  ///< high is the number rounded to double

    constexpr Wide() = default;
    constexpr Wide(double v) : high(v) {}
    constexpr Wide(double h, double l) : high(h), low(l) {}
    explicit Wide(const Quad& v)
        : high(static_cast<double>(v)), low(std::isfinite(high) ? static_cast<double>(v - high) : 0) {}
    explicit operator double() const { return high; }
    explicit operator Quad() const { return low == 0 ? Quad(high) : Quad(Quad(high) + low); }
};

namespace wide {

inline Wide two_sum(double a, double b) {
    const double sum = a + b, of_b = sum - a;
    return {sum, (a - (sum - of_b)) + (b - of_b)};
}
/// |a| >= |b|, or a = 0.
inline Wide fast_two_sum(double a, double b) {
    const double sum = a + b;
    return {sum, b - (sum - a)};
}
inline Wide two_product(double a, double b) {
    const double product = a * b;
    return {product, std::fma(a, b, -product)};
}

}  // namespace wide

inline Wide operator-(const Wide& a) { return {-a.high, -a.low}; }
inline Wide operator+(const Wide& a, double b) {
    const Wide s = wide::two_sum(a.high, b);
    return wide::fast_two_sum(s.high, a.low + s.low);
}
inline Wide operator+(const Wide& a, const Wide& b) {
    const Wide s = wide::two_sum(a.high, b.high), t = wide::two_sum(a.low, b.low);
    const Wide v = wide::fast_two_sum(s.high, s.low + t.high);
    return wide::fast_two_sum(v.high, t.low + v.low);
}
inline Wide operator-(const Wide& a, const Wide& b) { return a + -b; }
inline Wide operator*(const Wide& a, double b) {
    const Wide p = wide::two_product(a.high, b);
    return wide::fast_two_sum(p.high, std::fma(a.low, b, p.low));
}
inline Wide operator*(const Wide& a, const Wide& b) {
    const Wide p = wide::two_product(a.high, b.high);
    return wide::fast_two_sum(p.high, p.low + std::fma(a.high, b.low, std::fma(a.low, b.high, a.low * b.low)));
}
inline Wide operator/(const Wide& a, const Wide& b) {
    const double quotient = a.high / b.high;
    const Wide rest = a - b * quotient;
    return wide::fast_two_sum(quotient, rest.high / b.high);
}
inline Wide sqrt(const Wide& a) {
    if (a.high == 0) return {};
    const double root = std::sqrt(a.high);
    return wide::fast_two_sum(root, (std::fma(-root, root, a.high) + a.low) / (2 * root));
}
inline Wide& operator+=(Wide& a, const Wide& b) { return a = a + b; }
inline Wide abs(const Wide& a) { return std::signbit(a.high) ? -a : a; }

inline bool operator==(const Wide& a, const Wide& b) { return a.high == b.high && a.low == b.low; }

/// |got - right|, rounded once or twice.
inline double distance(double got, const Wide& right) { return std::abs((got - right.high) - right.low); }

}  // namespace normlab::truth
