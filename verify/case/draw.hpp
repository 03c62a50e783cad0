#pragma once
// The numbers of a case, from its seed: the same on every platform and in every build, since they are formed by +, -,
// *, / and sqrt alone (system/random.hpp). tests/case_test.cpp holds some of them to their bits. Who changes what is
// drawn changes every case: measured errors move, and baselines that users keep (`normlab verify --baseline`) have to
// be written anew.

#include "system/random.hpp"
#include "verify/case/case.hpp"

namespace normlab::verify {

/// x: sigma * (z + channel and sample shifts) + sigma * sqrt(kappa^2 - 1) * (sign by case seed); dy: normal with
/// components along 1 and x, so that both means of the backward formula matter; gamma in +-[0.5, 2], beta normal;
/// running statistics near the data's, or far from them. Real data replace x. Throws Unsuitable if a value overflows
/// the dtype.
Inputs<double> draw(const Case& c);

/// The same with cotangents for the double backward: v normal, with a mean and a component along dy, so that the means
/// and sums of its formulas matter; u in +-[0.5, 2] where there is a gamma, w normal where there is a beta.
Inputs<double> draw_twice(const Case& c);

}  // namespace normlab::verify
