#pragma once

#include "verify/case/case.hpp"

namespace normlab::verify {

/// Bytes that truth takes while it differentiates the largest block. About 1700 an element: 14 operations of 80 bytes
/// on the tape, derivatives.
double bytes_needed(const Case& c);

}  // namespace normlab::verify
