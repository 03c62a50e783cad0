#pragma once
// The cases of `verify --exhaustive`. No tier has them.

#include "verify/check/check.hpp"

namespace normlab::verify {

inline constexpr std::string_view exhaustive_name = "exhaustive";

/// In so many cases all pairs of a variant are run: those whose first value has bits from k 2^16 / this on.
inline constexpr std::size_t exhaustive_slices = 1024;

/// What the bits 0, 1, ... 65535 stand for.
std::vector<double> numbers_of_16_bits(DType dtype);

/// All of them, of a base that says variant, implementation, dtype, layout and mode; in training seed=k is the number
/// of the slice.
std::vector<Case> exhaustive_cases(Case base);

/// Those of evaluation (exhaustive_evaluation.cpp), and what they find. Each of the three kinds of kernels has one.
std::vector<Case> exhaustive_evaluation_cases(Case base);
std::vector<Finding> exhaustive_evaluation(const Case& c, const Implementation& implementation);

}  // namespace normlab::verify
