#pragma once
// Cases of accuracy whose y is of another type than the data.

#include <vector>

#include "verify/case/case.hpp"

namespace normlab::verify {

/// y of another type than the data: f32, and 8 bits with each kind of scale, beside what stands before it, in long
/// blocks and beyond 128 channels; where all is beyond the largest number, where all is subnormal, of zero rows, and
/// with a y that is infinite.
std::vector<Case> output_cases(const Case& base);

}  // namespace normlab::verify
