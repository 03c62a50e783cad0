#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Batch normalization: mean and variance of a channel over samples and positions. Evaluation uses running statistics
/// (unbiased variance). Running::none: no running statistics, evaluation normalises by the batch. Spec::stat_batch:
/// ghost batches. Ioffe & Szegedy 2015, Algorithms 1 and 2.
inline Spec batch_norm(double eps = 1e-5, std::optional<double> momentum = 0.1) {
    return {.variant = "batch_norm",
            .block = {.samples = true, .positions = true},
            .running = Running::unbiased_variance,
            .eps = eps,
            .momentum = momentum};
}

}  // namespace normlab
