#pragma once
// By which a report names the data that a user brought, so that a later run can tell whether they are the same.

#include "verify/case/case.hpp"

namespace normlab::verify {

/// Of x, gamma and beta: 16 hexadecimal digits (FNV-1a, by 64-bit words).
std::string digest(const RealData& data);

}  // namespace normlab::verify
