#pragma once
// The check tiled: its cases, and the tile of one.

#include "verify/check/check.hpp"

namespace normlab::verify {

/// The case of the tile. Groups of the tile are those that its channels make; group norm with one group mixes whole
/// periods.
Case tile_of(const Case& c);

std::string tiled_refuses(const Case& c);
std::vector<Case> tiled_cases(const Case& base, Tier tier);

}  // namespace normlab::verify
