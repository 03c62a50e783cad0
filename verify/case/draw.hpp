#pragma once
// The numbers of a case, from its seed: the same on every platform and in every build.

#include "verify/case/case.hpp"
#include "verify/case/random.hpp"

namespace normlab::verify {

/// x: sigma * (z + channel and sample shifts) + sigma * sqrt(kappa^2 - 1) * (sign by case seed); dy: normal with components along 1 and x, so that both
/// means of the backward formula matter; gamma in +-[0.5, 2], beta normal; running statistics near the data's, or far from them. Real data replace x.
/// Throws Unsuitable if a value overflows the dtype.
Inputs<double> draw(const Case& c);

}  // namespace normlab::verify
