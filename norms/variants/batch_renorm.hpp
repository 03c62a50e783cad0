#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Batch renormalization: batch norm with x_hat = x_hat_B * r + d, r = clip(sigma_B / sigma), d = clip((mean_B - mean)
/// / sigma) against the running mean and sigma before the step, constants in the backward pass. r_max = 1, d_max = 0 is
/// batch norm in training. The running sigma is of the standard deviation, as in the paper; Running::unbiased_variance
/// or biased_variance keep a variance. The running sigma must be positive.
/// Ioffe 2017, Algorithm 1 (whose momentum is 0.01).
inline Spec batch_renorm(double r_max = 3, double d_max = 5, double eps = 1e-5, std::optional<double> momentum = 0.1) {
    return {.variant = "batch_renorm",
            .block = {.samples = true, .positions = true},
            .correction = Correction::renorm,
            .running = Running::sigma,
            .eps = eps,
            .momentum = momentum,
            .r_max = r_max,
            .d_max = d_max};
}

/// The schedule of r_max and d_max (Ioffe 2017, section 4): batch norm for `hold` steps, then each limit grows
/// linearly, r_max to its final value at step `r_end`, d_max at `d_end`.
struct RenormSchedule {
    std::int64_t hold = 5000, r_end = 40000, d_end = 25000;
    double r_max = 3, d_max = 5;

    /// Sets the limits of `spec` for step `step` (0, 1, ...).
    void apply(Spec& spec, std::int64_t step) const {
        const auto grown = [&](std::int64_t end) {
            if (step < hold) return 0.0;
            return step >= end ? 1.0 : static_cast<double>(step - hold) / static_cast<double>(end - hold);
        };
        spec.r_max = 1 + (r_max - 1) * grown(r_end);
        spec.d_max = d_max * grown(d_end);
    }
};

}  // namespace normlab
