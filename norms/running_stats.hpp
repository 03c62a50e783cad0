#pragma once
// Running statistics and what follows from them. The only place where momentum, Bessel's factor and batch renorm's r
// and d are written.
//
//   running <- (1 - a) * running + a * batch,  a = momentum, or 1 / (count + 1) for the cumulative average (Ioffe &
//     Szegedy 2015, Alg. 2)
//   batch mean: mean over the step's samples of their block means (instance norm), or the block's mean (batch norm)
//   batch var:  likewise, times m / (m - 1) for Running::unbiased_variance;  sigma: sqrt(var + eps) (Ioffe 2017)
//   r = clip(sigma_B / sigma, 1 / r_max, r_max),  d = clip((mean_B - mean) / sigma, -d_max, d_max), with the running
//     values before the step
// Behind a mask m is of the elements that count, and blocks without one (of an unbiased variance: without two) are no
// part of a mean over blocks; where none is left the running value stays.
// PyTorch's direction: momentum weighs the new value. One step a slice, in order. Real is double, or Quad where
// identities are tested in quad.

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "norms/state.hpp"
#include "system/anywhere.hpp"

namespace normlab {

/// What x - mean is divided by. A NaN stays one. Inlined, because the CPU kernels are compiled for several instruction
/// sets, and the linker keeps one copy of any other function.
template <class Real>
[[gnu::always_inline]] NORMLAB_ANYWHERE inline Real sigma_of(const Spec& spec, const Real& var) {
    using std::sqrt;
    const Real eps(spec.eps);
    switch (spec.denominator) {
        case Denominator::added: return sqrt(var) + eps;
        case Denominator::floor: return sqrt(var) < eps ? eps : Real(sqrt(var));
        case Denominator::floor_root: return sqrt(var < eps ? eps : var);
        default: return sqrt(Real(var + eps));
    }
}

/// What x_hat (1/q) sum g x_hat in dx is multiplied by, 2 sigma d sigma / d var: 1 for the root, sigma / sqrt(var)
/// where eps is added (the limit of its product with x_hat is 0 where var is), above a floor 1 and below 0. At the
/// floor itself it is 1, as PyTorch's clamp_min has it.
template <class Real>
[[gnu::always_inline]] NORMLAB_ANYWHERE inline Real slope_of(const Spec& spec, const Real& var) {
    using std::sqrt;
    const Real eps(spec.eps);
    switch (spec.denominator) {
        case Denominator::added: return var > Real(0) ? Real(Real(sqrt(var) + eps) / sqrt(var)) : Real(0);
        case Denominator::floor: return Real(sqrt(var) < eps ? 0 : 1);
        case Denominator::floor_root: return Real(var < eps ? 0 : 1);
        default: return Real(1);
    }
}

/// The running sigma, from what State keeps: itself or a variance.
template <class Real>
NORMLAB_ANYWHERE Real running_sigma(const Spec& spec, const Real& spread) {
    return spec.running == Running::sigma ? spread : sigma_of(spec, spread);
}

/// What a step weighs the new value by, the `count`-th from 0.
template <class Real>
NORMLAB_ANYWHERE Real weight_of_step(const Spec& spec, std::int64_t count) {
    return spec.momentum ? Real(*spec.momentum) : Real(1) / Real(static_cast<double>(count + 1));
}

/// What a block of m elements with that biased variance gives to the running spread.
template <class Real>
NORMLAB_ANYWHERE Real spread_of_block(const Spec& spec, const Real& var, std::int64_t m) {
    if (spec.running == Running::sigma) return sigma_of(spec, var);
    if (spec.running != Running::unbiased_variance) return var;
    const Real size(static_cast<double>(m));
    return Real(size / (size - 1)) * var;
}

/// By a step that weighs a, to the mean of n values with that sum.
template <class Real>
NORMLAB_ANYWHERE void move_running(Real& running, const Real& a, const Real& sum, std::int64_t n) {
    running = (1 - a) * running + a * (sum / Real(static_cast<double>(n)));
}

/// One step of one channel. mean and var (biased): the statistics of `samples` blocks of m elements each, `stride`
/// apart.
template <class Real>
NORMLAB_ANYWHERE void update_channel(const Spec& spec, Real& running_mean, Real& running_spread, std::int64_t count,
                                     std::int64_t samples, std::int64_t m, const Real* mean, const Real* var,
                                     std::int64_t stride) {
    Real step_mean(0), step_spread(0);
    for (std::int64_t i = 0; i < samples; ++i) {
        step_mean += mean[i * stride];
        step_spread += spread_of_block(spec, var[i * stride], m);
    }
    const Real a = weight_of_step<Real>(spec, count);
    move_running(running_mean, a, step_mean, samples), move_running(running_spread, a, step_spread, samples);
}

/// The same behind a mask, where counts[i] elements of block i count: a block of none is left out, and of an unbiased
/// variance one of a single element. What is left without a block stays.
template <class Real>
void update_masked_channel(const Spec& spec, Real& running_mean, Real& running_spread, std::int64_t count,
                           std::span<const std::int64_t> counts, const Real* mean, const Real* var,
                           std::int64_t stride) {
    const std::int64_t least = spec.running == Running::unbiased_variance ? 2 : 1;
    Real step_mean(0), step_spread(0);
    std::int64_t means = 0, spreads = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i) * stride;
        if (counts[i] >= 1) ++means, step_mean += mean[at];
        if (counts[i] >= least) ++spreads, step_spread += spread_of_block(spec, var[at], counts[i]);
    }
    const Real a = weight_of_step<Real>(spec, count);
    if (means > 0) move_running(running_mean, a, step_mean, means);
    if (spreads > 0) move_running(running_spread, a, step_spread, spreads);
}

/// How many elements count in the blocks of each slice or, where blocks do not span samples, of each sample; empty
/// without a mask.
std::vector<std::int64_t> counted_elements(const Problem& problem, Mask mask);

/// Of those, what step `k` of a call averages over; empty without a mask.
inline std::span<const std::int64_t> counts_of_step(const Problem& problem, const std::vector<std::int64_t>& counts,
                                                    std::int64_t k) {
    if (counts.empty() || !problem.spec.block.samples) return counts;
    return std::span(counts).subspan(static_cast<std::size_t>(k), 1);
}
/// A step that averages over nothing is none: the count stays, too.
inline bool is_step(std::span<const std::int64_t> counts) {
    return counts.empty() || std::ranges::any_of(counts, [](std::int64_t m) { return m > 0; });
}

/// One step of all channels; mean and var hold `samples` x C statistics (samples = 1 for batch norm), of blocks of m
/// elements or, behind a mask, of `counts`.
template <class Real>
void update_running(const Spec& spec, std::int64_t C, Real* running_mean, Real* running_spread, std::int64_t count,
                    std::int64_t samples, std::int64_t m, const Real* mean, const Real* var,
                    std::span<const std::int64_t> counts = {}) {
    for (std::int64_t c = 0; c < C; ++c)
        if (counts.empty())
            update_channel(spec, running_mean[c], running_spread[c], count, samples, m, mean + c, var + c, C);
        else update_masked_channel(spec, running_mean[c], running_spread[c], count, counts, mean + c, var + c, C);
}

/// All steps of one training call, a slice each, from Saved's statistics.
void update_running(const Problem& problem, const StateView& state, const double* mean, const double* var,
                    Mask mask = nullptr);

template <class Real>
struct RenormFactors {
    Real r, d;
};

template <class Real>
NORMLAB_ANYWHERE RenormFactors<Real> renorm_factors(const Spec& spec, const Real& batch_mean, const Real& batch_sigma,
                                                    const Real& mean, const Real& sigma) {
    const Real r = batch_sigma / sigma, d = (batch_mean - mean) / sigma, r_max(spec.r_max), d_max(spec.d_max);
    return {std::min<Real>(std::max<Real>(r, 1 / r_max), r_max), std::min<Real>(std::max<Real>(d, -d_max), d_max)};
}

/// r and d of every block of a training call [slices x C], each slice against the running statistics that the slices
/// before it left; 1 and 0 where nothing counts. `state` is not changed: update_running does that after the call.
template <class Real>
void renorm_factors(const Problem& problem, const StateView& state, const Real* mean, const Real* var, Real* r, Real* d,
                    Mask mask = nullptr) {
    const Spec& spec = problem.spec;
    const std::vector<std::int64_t> counted = counted_elements(problem, mask);
    std::int64_t count = *state.count;
    const std::int64_t C = problem.shape.C;
    const double* spread = spec.running == Running::sigma ? state.sigma : state.var;
    std::vector<Real> moved_mean(state.mean, state.mean + C), moved_spread(spread, spread + C);
    for (std::int64_t k = 0; k < problem.slices(); ++k) {
        const std::span<const std::int64_t> counts = counts_of_step(problem, counted, k);
        if (!is_step(counts)) {
            std::fill_n(r + k * C, C, Real(1)), std::fill_n(d + k * C, C, Real(0));
            continue;
        }
        for (std::int64_t c = 0; c < C; ++c) {
            const std::int64_t b = k * C + c;
            const auto i = static_cast<std::size_t>(c);
            const auto f = renorm_factors<Real>(spec, mean[b], sigma_of<Real>(spec, var[b]), moved_mean[i],
                                                running_sigma<Real>(spec, moved_spread[i]));
            r[b] = f.r;
            d[b] = f.d;
        }
        update_running<Real>(spec, C, moved_mean.data(), moved_spread.data(), count++, 1, problem.block_size(),
                             mean + k * C, var + k * C, counts);
    }
}
void renorm_factors(const Problem& problem, const StateView& state, const double* mean, const double* var, double* r,
                    double* d, Mask mask = nullptr);

}  // namespace normlab
