#pragma once
// The scale of a y of 8 bits where it is found (Spec::scale): the only place where it is written, but for truth's.

#include <algorithm>
#include <cmath>

#include "norms/spec.hpp"

namespace normlab {

/// What is returned for the elements whose largest finite magnitude is amax: the scale, or its inverse. Inlined,
/// because the CPU kernels are compiled for several instruction sets, and the linker keeps one copy of any other
/// function.
[[gnu::always_inline]] inline float found_scale(const Spec& spec, float amax) {
    const auto largest = static_cast<float>(row_of(*spec.output).largest);
    float scale = std::max(amax / largest, 1 / (largest * 512));
    int exponent = 0;
    if (spec.scale_power_of_two && std::frexp(scale, &exponent) > 0.5f) scale = std::ldexp(1.0f, exponent);
    return spec.scale_inverse ? 1 / scale : scale;
}

/// y / scale, of a scale as it is given or returned.
template <class V>
[[gnu::always_inline]] inline V quotient(const Spec& spec, V y, float scale) {
    return spec.scale_inverse ? y * scale : y / scale;
}

}  // namespace normlab
