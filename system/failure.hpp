#pragma once

#include <stdexcept>

namespace normlab {

/// A run-time failure of the system, a device or an implementation on a correct call (Error is for wrong calls).
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace normlab
