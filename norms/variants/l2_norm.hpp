#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// L2 normalization: a sample divided by its l2 norm, y = gamma * x / max(|x|, eps), as PyTorch's F.normalize has it.
/// Denominator::floor_root: x / sqrt(max(sum x^2, eps)), as TensorFlow's l2_normalize. Below the floor the denominator
/// is a constant, and dx = g / eps, or g / sqrt(eps).
inline Spec l2_norm(double eps = 1e-12, Denominator denominator = Denominator::floor) {
    return {.variant = "l2_norm",
            .block = {.groups = true, .channels = true, .positions = true},
            .moments = Moments::norm,
            .eps = eps,
            .denominator = denominator};
}

}  // namespace normlab
