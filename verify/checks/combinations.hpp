#pragma once
// What the check combinations covers, for whoever lists it.

#include <string>
#include <string_view>

#include "verify/check/check.hpp"

namespace normlab::verify {

/// "30 cases have every pair of levels of 14 factors that goes together: 812 of 815".
std::string combinations_coverage(std::string_view variant, Tier tier);

}  // namespace normlab::verify
