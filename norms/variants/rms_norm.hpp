#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Root mean square normalization: layer norm without removing the mean, y = gamma * x / sqrt(mean(x^2) + eps).
/// Zhang & Sennrich 2019, equation 4 (eps inside the root).
inline Spec rms_norm(double eps = 1e-5) {
    return {.variant = "rms_norm",
            .block = {.groups = true, .channels = true, .positions = true},
            .moments = Moments::mean_square,
            .eps = eps};
}

}  // namespace normlab
