#pragma once
// Running statistics and what follows from them. The only place where momentum, Bessel's factor and batch renorm's r and d are written.
//
//   running <- (1 - a) * running + a * batch,  a = momentum, or 1 / (count + 1) for the cumulative average (Ioffe & Szegedy 2015, Alg. 2)
//   batch mean: mean over the step's samples of their block means (instance norm), or the block's mean (batch norm)
//   batch var:  likewise, times m / (m - 1) for Running::unbiased_variance;  sigma: sqrt(var + eps) (Ioffe 2017)
//   r = clip(sigma_B / sigma, 1 / r_max, r_max),  d = clip((mean_B - mean) / sigma, -d_max, d_max), with the running values before the step
// PyTorch's direction: momentum weighs the new value. One step a slice, in order.

#include <algorithm>
#include <cmath>

#include "norms/registry.hpp"

namespace normlab {

/// The running standard deviation of channel c, eps inside.
double running_sigma(const Spec& spec, const StateView& state, std::int64_t c);

/// One step. mean and var (biased) hold `samples` x C statistics of blocks of m elements (samples = 1 for batch norm).
void update_running(const Spec& spec, std::int64_t C, const StateView& state, std::int64_t samples, std::int64_t m, const double* mean,
                    const double* var);

/// All steps of one training call: one a slice, from Saved's statistics.
void update_running(const Problem& problem, const StateView& state, const double* mean, const double* var);

template <class Real>
struct RenormFactors {
    Real r, d;
};

template <class Real>
RenormFactors<Real> renorm_factors(const Spec& spec, const Real& batch_mean, const Real& batch_sigma, double mean, double sigma) {
    const Real r = batch_sigma / Real(sigma), d = (batch_mean - Real(mean)) / Real(sigma);
    const Real r_max(spec.r_max), d_max(spec.d_max);
    return {std::min<Real>(std::max<Real>(r, 1 / r_max), r_max), std::min<Real>(std::max<Real>(d, -d_max), d_max)};
}

/// r and d of every block of a training call [slices x C], each slice against the running statistics that the slices before it left.
/// `state` is not changed: update_running does that after the call.
template <class Real>
void renorm_factors(const Problem& problem, const StateView& state, const Real* mean, const Real* var, Real* r, Real* d) {
    using std::sqrt;
    const std::int64_t C = problem.shape.C;
    std::vector<double> moved_mean(state.mean, state.mean + C);
    double* spread = state.sigma ? state.sigma : state.var;
    std::vector<double> moved_spread(spread, spread + C), step_mean(static_cast<std::size_t>(C)), step_var(static_cast<std::size_t>(C));
    std::int64_t count = *state.count;
    const StateView moved{moved_mean.data(), state.sigma ? nullptr : moved_spread.data(), state.sigma ? moved_spread.data() : nullptr, &count};
    for (std::int64_t k = 0; k < problem.slices(); ++k) {
        for (std::int64_t c = 0; c < C; ++c) {
            const std::int64_t b = k * C + c;
            const Real sigma = sqrt(Real(var[b] + Real(problem.spec.eps)));
            const auto f = renorm_factors(problem.spec, mean[b], sigma, moved_mean[static_cast<std::size_t>(c)],
                                          running_sigma(problem.spec, moved, c));
            r[b] = f.r;
            d[b] = f.d;
            step_mean[static_cast<std::size_t>(c)] = static_cast<double>(mean[b]);
            step_var[static_cast<std::size_t>(c)] = static_cast<double>(var[b]);
        }
        update_running(problem.spec, C, moved, 1, problem.block_size(), step_mean.data(), step_var.data());
    }
}

}  // namespace normlab
