#pragma once
// Which known fault explains what other checks find.

#include "verify/run/outcome.hpp"

namespace normlab::verify {

/// Accuracy names faults by their values (Finding::cause). Other checks measure something else: where a finding of
/// theirs fails in the same way on a layer that has the fault which is named for its implementation and variant, with
/// the same error to a quarter, in each of up to three cases of the check, the cause of all is that fault. Runs few
/// cases, small ones, and none where no fault is named.
void explain_failures(std::vector<Outcome>& outcomes);

}  // namespace normlab::verify
