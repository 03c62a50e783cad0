#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Filter response normalization: instance norm without removing the mean, y = gamma * x / sqrt(mean(x^2) + eps) + beta
/// over the positions of a channel of one sample. Singh & Krishnan 2020, equations 1 and 2 (eps inside the root). The
/// thresholded linear unit that the paper puts behind it, max(y, tau), is Activation::threshold.
inline Spec filter_response_norm(double eps = 1e-6) {
    return {
        .variant = "filter_response_norm", .block = {.positions = true}, .moments = Moments::mean_square, .eps = eps};
}

}  // namespace normlab
