#pragma once
#include "norms/spec.hpp"

namespace normlab {

/// How libraries divide by the standard deviation of weights.
enum class Standardization {
    added,   ///< (unbiased standard deviation) + eps: Qiao et al. 2019, their code
    inside,  ///< sqrt(biased variance + eps)
    scaled   ///< sqrt(max(fan_in * biased variance, eps)), with a gain: Brock et al. 2021
};

/// Weight standardization: the weights of an output channel less their mean, divided by their standard deviation; gamma
/// is the gain, and x is seen through weight_shape.
inline Spec weight_standardization(Standardization form = Standardization::added, double eps = 1e-5) {
    Spec s{.variant = "weight_standardization", .block = {.samples = true, .positions = true}, .eps = eps};
    s.weights = true;
    if (form == Standardization::added) s.denominator = Denominator::added, s.divisor = Divisor::less_one;
    if (form == Standardization::scaled) s.denominator = Denominator::floor_root, s.divisor = Divisor::one;
    return s;
}

}  // namespace normlab
