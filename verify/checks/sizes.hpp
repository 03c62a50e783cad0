#pragma once
// Cases of accuracy whose sizes are such as kernels choose a path by.

#include <vector>

#include "verify/case/case.hpp"

namespace normlab::verify {

/// Whether the case is about a kernel from outside: a plug-in.
bool is_others(const Case& base);

std::vector<Case> size_cases(const Case& base);

}  // namespace normlab::verify
