#pragma once
// What an implementation keeps from call to call.

#include "verify/check/check.hpp"

namespace normlab::verify {

/// Memory, open files and threads that grow with the number of calls: of one plan, and of plans. What is kept once does
/// not count. For a process in which nothing else happens.
Finding kept_by_calls(const Case& c, const Implementation& implementation);

}  // namespace normlab::verify
