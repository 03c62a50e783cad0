#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Filter response normalization: instance norm without removing the mean, y = gamma * x / sqrt(mean(x^2) + eps) + beta
/// over the positions of a channel of one sample. The learned threshold of the thresholded linear unit, which the paper
/// puts behind it, is not part of it. Singh & Krishnan 2020, equations 1 and 2 (eps inside the root).
inline Spec filter_response_norm(double eps = 1e-6) {
    return {
        .variant = "filter_response_norm", .block = {.positions = true}, .moments = Moments::mean_square, .eps = eps};
}

}  // namespace normlab
