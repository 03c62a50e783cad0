#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Partial root mean square normalization: rms norm whose root mean square is that of the first ceil(part * m) elements
/// alone, y = gamma * x / sqrt(mean(x_1^2 .. x_k^2) + eps). Zhang & Sennrich 2019, section 3.2 (pRMSNorm), with p =
/// part = 6.25 % in its experiments.
inline Spec partial_rms_norm(double part = 0.0625, double eps = 1e-5) {
    return {.variant = "partial_rms_norm",
            .block = {.groups = true, .channels = true, .positions = true},
            .moments = Moments::mean_square,
            .eps = eps,
            .part = part};
}

}  // namespace normlab
