#pragma once
#include "norms/variants.hpp"

namespace normlab {

/// Root mean square over channels at each position, gamma per channel: channel norm without removing the mean.
/// Nobody's; a variant that is not built in.
inline Spec channel_rms_norm(double eps = 1e-5) {
    return {.variant = "channel_rms_norm",
            .block = {.groups = true, .channels = true},
            .moments = Moments::mean_square,
            .eps = eps};
}

}  // namespace normlab
