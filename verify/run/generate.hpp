#pragma once
// Cases by chance, for runs that look for what nobody thought of: any variant, shape, setting and pattern, small enough
// to be quick.

#include "verify/run/plan.hpp"

namespace normlab::verify {

/// A case that its check and the library accept. `selection` empty: all. Throws Error where nothing of the selection
/// can run.
Case random_case(Random& random, const Selection& selection);

/// The case with one or two things about it changed: its size, numbers, a setting.
Case mutated(const Case& c, Random& random);

}  // namespace normlab::verify
