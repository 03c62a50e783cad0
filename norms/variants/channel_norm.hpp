#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Channel normalization: layer norm over channels at each position, mean and variance of one sample at one position
/// over C; gamma and beta per channel. What channels-last networks call layer norm (Liu et al. 2022, ConvNeXt, section
/// 2.6).
inline Spec channel_norm(double eps = 1e-5) {
    return {.variant = "channel_norm", .block = {.groups = true, .channels = true}, .eps = eps};
}

}  // namespace normlab
