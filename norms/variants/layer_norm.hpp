#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Layer normalization: mean and variance of a sample over channels and positions; gamma and beta per channel. For a
/// gamma an element over the trailing dimensions (the usual normalized_shape) use trailing_shape: x[N, C*S, 1]. Ba,
/// Kiros & Hinton 2016, section 3.
inline Spec layer_norm(double eps = 1e-5) {
    return {.variant = "layer_norm", .block = {.groups = true, .channels = true, .positions = true}, .eps = eps};
}

}  // namespace normlab
