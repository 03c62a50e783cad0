#pragma once
// The plans of the reference, each scalar compiled once: float and double in native.cpp, Quad and Complex, of
// verification alone, in verification.cpp.

#include <memory>

#include "norms/implementation.hpp"

namespace normlab::reference {

std::unique_ptr<Plan> native_plan(const Problem& problem);
std::unique_ptr<Plan> verification_plan(const Problem& problem);

}  // namespace normlab::reference
