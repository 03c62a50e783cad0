// Running statistics, and batch renorm's r and d, which follow from them; numbers taken for 0, x_hat from y, and what
// is kept of parameters.

#include <algorithm>
#include <cmath>
#include <optional>

#include "norms/element.hpp"
#include "verify/faults/layer.hpp"

namespace normlab::verify::faults {
namespace {

thread_local std::optional<double> last_momentum;  // of the last training call of all

}  // namespace

auto FaultyLayer::before(const normlab_state& state) const -> Running {
    const double* spread = p_.running == NORMLAB_RUNNING_SIGMA ? state.sigma : state.var;
    return {Values(state.mean, state.mean + C_), Values(spread, spread + C_), *state.count};
}

// running <- (1 - a) running + a batch, for one normalisation batch: its blocks, or those of all samples, averaged.
void FaultyLayer::step(Running& running, const BlockStatistics& s, std::int64_t slice) const {
    const std::int64_t count = f_.count_in_32_bits != 0 ? static_cast<std::int32_t>(running.count) : running.count;
    const double momentum = f_.momentum_of_last != 0 ? last_momentum.value_or(p_.momentum) : p_.momentum;
    double a =
        momentum < 0 ? 1 / (static_cast<double>(count) + 1 + f_.count_ahead) : std::min(1.0, f_.momentum * momentum);
    if (f_.momentum_reversed != 0 && momentum >= 0) a = 1 - a;
    const bool shared = p_.block & NORMLAB_SAMPLES;
    const std::int64_t samples = shared ? 1 : N_, first = f_.last_sample_only != 0 ? samples - 1 : 0;
    const double m = static_cast<double>((shared ? slice_ : 1) * S_), n = static_cast<double>(slice_);
    const bool unbiased = p_.running == NORMLAB_RUNNING_UNBIASED_VARIANCE,
               biased = p_.running == NORMLAB_RUNNING_BIASED_VARIANCE;
    double factor = (unbiased && f_.bessel != 0) || (biased && f_.bessel == 2) ? m / (m - 1) : 1;
    if (unbiased && f_.bessel == 3 && n > 1) factor = n / (n - 1);
    if (f_.long_biased != 0 && m > 1024) factor = 1;
    if (p_.masked != 0 && !steps(slice)) {
        running.count += static_cast<std::int64_t>(f_.mask_counts_steps);
        if (f_.mask_moves_state != 0)
            for (double& mean : running.mean) mean *= 1 - a;
        return;
    }
    for (std::size_t c = 0; c < running.mean.size(); ++c) {
        double mean = 0, spread = 0;
        if (p_.masked != 0) {
            step_masked(running, s, slice, c, a);
            continue;
        }
        for (std::int64_t k = first; k < samples; ++k) {
            const std::size_t b = static_cast<std::size_t>((shared ? slice : k) * C_) + c;
            const double var = s.var[b];
            mean += s.mean[b];
            spread += p_.running != NORMLAB_RUNNING_SIGMA ? factor * var + f_.running_eps * eps_
                      : f_.sigma_as_variance != 0         ? var + eps_
                                                          : std::sqrt(var + eps_);
        }
        const double averaged = static_cast<double>(samples - first), old = running.spread[c];
        if (f_.constant_kept != 0 && spread == 0) continue;
        running.mean[c] = (1 - a) * running.mean[c] + a * mean / averaged;
        const bool of_squares = f_.sigma_as_variance != 0 && p_.running == NORMLAB_RUNNING_SIGMA;
        running.spread[c] =
            of_squares ? std::sqrt((1 - a) * old * old + a * spread / averaged) : (1 - a) * old + a * spread / averaged;
    }
    running.count += f_.count_once != 0 && slice > 0 ? 0 : static_cast<std::int64_t>(f_.count_steps);
    if (f_.count_in_f32 != 0) running.count = static_cast<std::int64_t>(static_cast<float>(running.count));
}

// Whether something is left of the blocks of one normalisation batch, or of any sample's.
bool FaultyLayer::steps(std::int64_t slice) const {
    if (p_.block & NORMLAB_SAMPLES) return left(slice * C_) > 0;
    return std::ranges::any_of(counts_, [](std::uint8_t v) { return v != 0; });
}

// A channel's step, of blocks of which a mask has left enough.
void FaultyLayer::step_masked(Running& running, const BlockStatistics& s, std::int64_t slice, std::size_t c,
                              double a) const {
    const bool shared = p_.block & NORMLAB_SAMPLES, unbiased = p_.running == NORMLAB_RUNNING_UNBIASED_VARIANCE;
    double mean = 0, spread = 0, means = 0, spreads = 0;
    for (std::int64_t k = 0; k < (shared ? 1 : N_); ++k) {
        const std::size_t b = static_cast<std::size_t>((shared ? slice : k) * C_) + c;
        double m = left(static_cast<std::int64_t>(b));
        if (m < 1) {
            means += f_.mask_moves_state;
            continue;
        }
        mean += s.mean[b], ++means;
        if (unbiased && m < 2) continue;
        m += f_.mask_in_bessel * (static_cast<double>(blocks_[b].size()) - m);
        spread +=
            p_.running == NORMLAB_RUNNING_SIGMA ? std::sqrt(s.var[b] + eps_) : s.var[b] * (unbiased ? m / (m - 1) : 1);
        ++spreads;
    }
    if (means > 0) running.mean[c] = (1 - a) * running.mean[c] + a * mean / means;
    if (spreads > 0) running.spread[c] = (1 - a) * running.spread[c] + a * spread / spreads;
}

// r and d of each normalisation batch, against what those before it left.
void FaultyLayer::correct(BlockStatistics& s, Running running) const {
    for (std::int64_t slice = 0; slice * slice_ < N_; ++slice) {
        if (f_.updated_first != 0) step(running, s, slice);
        for (std::size_t c = 0; c < running.mean.size(); ++c) {
            const std::size_t b = static_cast<std::size_t>(slice * C_) + c;
            if (p_.masked != 0 && left(static_cast<std::int64_t>(b)) < 1) continue;  // 1 and 0
            const double sigma =
                p_.running == NORMLAB_RUNNING_SIGMA ? running.spread[c] : std::sqrt(running.spread[c] + eps_);
            const double r = std::sqrt(s.var[b] + f_.renorm_eps * eps_) / sigma,
                         d = (s.mean[b] - running.mean[c]) / sigma;
            s.r[b] = std::min(f_.r_low != 0 ? std::max(r, 1 / p_.r_max) : r, p_.r_max);
            s.d[b] = std::min(f_.d_low != 0 ? std::max(d, -p_.d_max) : d, p_.d_max);
        }
        if (f_.updated_first == 0) step(running, s, slice);
    }
}

void FaultyLayer::move(const normlab_state& state, const BlockStatistics& s) const {
    Running running = before(state);
    for (std::int64_t slice = 0; slice < (p_.block & NORMLAB_SAMPLES ? N_ / slice_ : 1); ++slice)
        step(running, s, slice);
    std::ranges::copy(running.mean, state.mean);
    std::ranges::copy(running.spread, p_.running == NORMLAB_RUNNING_SIGMA ? state.sigma : state.var);
    *state.count = running.count;
    last_momentum = p_.momentum;
}

void FaultyLayer::flush(Values& values) const {
    for (double& v : values)
        if (std::abs(v) < row_of(dtype_).smallest_normal) v = 0;
}

auto FaultyLayer::recovered(const Values& hat, const BlockStatistics& s, const Values& gamma, const Values& beta) const
    -> Values {
    Values from_y = hat;
    for (std::size_t i = 0; i < hat.size(); ++i) {
        const std::size_t b = static_cast<std::size_t>(block_[i]),
                          c = static_cast<std::size_t>(entry(static_cast<std::int64_t>(i)));
        const double y = rounded(gamma[c] * (hat[i] * s.r[b] + s.d[b]) + beta[c], params_);
        if (gamma[c] != 0) from_y[i] = ((y - beta[c]) / gamma[c] - s.d[b]) / s.r[b];
    }
    return from_y;
}

// What is kept of a call for the next, in place of what that one gives.
void FaultyLayer::keep(const void* address, Values& gamma, Values& beta) {
    if (f_.nan_gamma != 0)
        for (double& v : gamma)
            if (std::isnan(v)) v = 1;
    if (f_.gamma_by_ends != 0 && !gamma.empty() && last_gamma_.size() == gamma.size() &&
        last_gamma_.front() == gamma.front() && last_gamma_.back() == gamma.back())
        gamma = last_gamma_;
    if (f_.gamma_by_address != 0) gamma = gammas_.try_emplace(address, gamma).first->second;
    if (f_.beta_kept != 0) beta = first_beta_ = first_beta_.empty() ? beta : first_beta_;
    last_gamma_ = gamma;
}

}  // namespace normlab::verify::faults
