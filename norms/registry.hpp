#pragma once
// Implementations by name.

#include <memory>
#include <string_view>
#include <vector>

#include "norms/implementation.hpp"
#include "norms/norm.hpp"

namespace normlab {

/// All implementations, built-in ones first.
std::vector<const Implementation*> implementations();

/// Throws Error naming the nearest known name.
const Implementation& find_implementation(std::string_view name);

/// Adds an implementation for the life of the process. Throws Error if its name is taken.
const Implementation& register_implementation(std::unique_ptr<Implementation> implementation);

}  // namespace normlab
