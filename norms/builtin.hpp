#pragma once
// The implementations of this build; builtin.cpp is generated from the list in CMakeLists.txt.

#include <memory>
#include <vector>

#include "norms/implementation.hpp"

namespace normlab {

std::vector<std::unique_ptr<Implementation>> make_builtin_implementations();

}  // namespace normlab
