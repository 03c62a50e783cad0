#pragma once
// A failing case made small: settings to their defaults, then the shape, then the numbers, as long as the same check
// fails.

#include <functional>

#include "verify/run/outcome.hpp"

namespace normlab::verify {

/// `fails` runs a case and says whether it still fails; it is called at most `budget` times, less for large cases.
/// Cases on a user's data stay as they are.
Case shrunk(const Case& failing, const std::function<bool(const Case&)>& fails, int budget = 400);

/// Whether the case runs and one of its findings is a FAIL of this quantity; with `finite`, one whose error is a
/// number. A variance divided by m - 1 is a little off where m is 5 and NaN where m is 1, which is another failure.
bool fails_at(const Case& c, const std::string& quantity, bool finite = false);

/// The first failures, one of each check, variant and implementation and eight at most, made small: they are returned,
/// and each Outcome has its `smaller` line. Vectors and cases on a user's data stay as they are, and so do those that
/// did not end in time.
std::vector<Case> shrink_failures(std::vector<Outcome>& outcomes);

}  // namespace normlab::verify
