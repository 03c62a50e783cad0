#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Group normalization: mean and variance of a group of C / groups consecutive channels of one sample, over positions;
/// gamma and beta stay per channel. groups = 1 is layer norm, groups = C instance norm. Wu & He 2018, section 3.
inline Spec group_norm(std::int64_t groups, double eps = 1e-5) {
    return {.variant = "group_norm", .block = {.channels = true, .positions = true}, .groups = groups, .eps = eps};
}

}  // namespace normlab
