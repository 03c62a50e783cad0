#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// Instance normalization: mean and variance of a channel of one sample over positions. Without running statistics by
/// default; with them (Running::unbiased_variance) the running values follow the mean over samples of each instance's
/// mean and unbiased variance, and evaluation uses them. Ulyanov, Vedaldi & Lempitsky 2016.
inline Spec instance_norm(double eps = 1e-5, Running running = Running::none) {
    return {.variant = "instance_norm", .block = {.positions = true}, .running = running, .eps = eps};
}

}  // namespace normlab
