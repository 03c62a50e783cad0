#pragma once
// How far rounding may move the gradient that comes back through a normalization of a net: verify's bounds, for a
// layer's own values.

#include "norms/registry.hpp"
#include "studies/nn/array.hpp"

namespace normlab::nn {

struct GradientBounds {
    std::vector<double> dx;      ///< of each element, in memory order [N, C]
    std::vector<double> spread;  ///< of each channel: sqrt(var + eps)
    /// of each element: an error of relative size r (of the spread) in every x of the channel moves dx by at most r
    /// times this, to first order
    std::vector<double> slope;
};

/// x[N, C] and dy in f64 as they went through the normalization `spec` without gamma and beta, in training.
///
/// slope: x_j off by e_j, |e_j| <= r s, moves x_hat_j by at most r (2 + |x_hat_j|) and 1 / s by at most r, relative; in
/// dx = (1/s)(g - mean g - x_hat mean(g x_hat)) these add up to at most 3 (r/s) [|g| + (1 + |x_hat|)(mean|g| + mean|g
/// x_hat|)].
GradientBounds gradient_bounds(const Array& x, const Array& dy, const Spec& spec, const Implementation& implementation);

/// u = 2^-53, and what n u / (1 - n u), n = terms, does not exceed up to a million terms: the relative error of a sum
/// or inner product of that many terms, in any order, against the sum of absolute values.
inline constexpr double unit = unit_roundoff(DType::f64);
inline double summation(std::int64_t terms) { return static_cast<double>(terms + 1) * unit * 1.01; }

}  // namespace normlab::nn
