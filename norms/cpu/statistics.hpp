#pragma once
// Statistics of blocks in f64, and the coefficients with which elements are then computed: one place for both.
//
// A mean is applied as a pair hi + lo of the arithmetic type A: (x - hi) - lo loses nothing to kappa. Coefficients are
// computed in f64 and rounded once. Where one leaves float's range with its margin (see fits), the elements are
// computed in f64.

#include <cmath>
#include <cstdint>

#include "norms/cpu/lanes.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

struct Moments2 {  // count, mean, sum of squares about the mean
    double n = 0, mean = 0, m2 = 0;
};

/// Chan, Golub & LeVeque 1983. Not centred: means are 0 and m2 is the sum of squares.
NORMLAB_INLINE Moments2 operator+(const Moments2& a, const Moments2& b) {
    const double n = a.n + b.n, delta = b.mean - a.mean;
    return {n, a.mean + delta * (b.n / n), a.m2 + b.m2 + delta * delta * (a.n * (b.n / n))};
}

struct Sums {  // of g, and of g (x - mean)
    double g = 0, gx = 0;
};
NORMLAB_INLINE Sums operator+(const Sums& a, const Sums& b) { return {a.g + b.g, a.gx + b.gx}; }

/// leaf(first) + ... + leaf(last - 1), in pairs: log2(n) roundings deep.
template <class F>
auto pairwise(std::int64_t first, std::int64_t last, const F& leaf) -> decltype(leaf(first)) {
    if (last - first == 1) return leaf(first);
    const std::int64_t middle = first + (last - first) / 2;
    auto left = pairwise(first, middle, leaf);
    return left + pairwise(middle, last, leaf);
}

/// What one block (or one column) is normalised with.
struct AppliedStatistics {
    double mean = 0, rstd = 0, r = 1, d = 0;
};

/// A block's or column's share of dgamma (gx) and dbeta (g), from its sums of dy and dy (x - mean). d = 0 does not make
/// NaN of an infinite sum.
NORMLAB_INLINE Sums parameter_share(const AppliedStatistics& s, const Sums& sums) {
    return {sums.g, sums.gx * (s.rstd * s.r) + (s.d == 0 ? 0 : s.d * sums.g)};
}

template <class A>
bool fits(double v, double least = 1e-30) {
    return std::is_same_v<A, double> || v == 0 || std::isnan(v) || (std::abs(v) >= least && std::abs(v) <= 1e30);
}
template <class A>
bool fits_below(double v) {
    return std::is_same_v<A, double> || !(std::abs(v) > 1e30);
}

/// y = ((x - hi) - lo) * factor + shift
template <class A>
struct ForwardCoefficients {
    A hi, lo, factor, shift;
};

/// gamma, beta: the block's own, or 1 and 0 where they vary inside it and are applied afterwards.
struct ForwardTerms {
    ForwardTerms(const AppliedStatistics& s, double gamma, double beta)
        : mean(s.mean), factor(gamma * s.r * s.rstd), shift(beta + gamma * s.d) {}
    double mean, factor, shift;

    template <class A>
    bool fit() const {
        return fits_below<A>(mean) && fits<A>(factor);
    }
    template <class A>
    ForwardCoefficients<A> as() const {
        const A hi = static_cast<A>(mean);
        return {hi, static_cast<A>(mean - static_cast<double>(hi)), static_cast<A>(factor), static_cast<A>(shift)};
    }
};

/// dx = dy * factor - (offset + ((x - hi) - lo) * slope)
template <class A>
struct BackwardCoefficients {
    A hi, lo, factor, offset, slope;
};

/// From rstd (g - mean(g) - x_hat mean(g x_hat)) with g = gamma r dy: sums of g and of g (x - mean) over the block;
/// none where statistics are given.
struct BackwardTerms {
    BackwardTerms(const AppliedStatistics& s, double gamma, Sums sums, double m, double q, bool centred)
        : mean(s.mean), factor(gamma * s.r * s.rstd), offset(centred ? s.rstd * (s.r * sums.g / m) : 0),
          slope(s.rstd * (s.rstd * (s.rstd * (s.r * sums.gx / q)))) {}
    double mean, factor, offset, slope;

    // A slope far below the factor is rounding of a sum that is 0: float down to 1e-37, ten times its smallest normal
    // number, or the scale of x would choose between two roundings.
    template <class A>
    bool fit() const {
        return fits_below<A>(mean) && fits_below<A>(offset) && fits<A>(factor) && fits<A>(slope, 1e-37);
    }
    template <class A>
    BackwardCoefficients<A> as() const {
        const A hi = static_cast<A>(mean);
        return {hi, static_cast<A>(mean - static_cast<double>(hi)), static_cast<A>(factor), static_cast<A>(offset),
                static_cast<A>(slope)};
    }
};

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
