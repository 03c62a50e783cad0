#pragma once
// A failing case once more, in processes of its own: whether it fails there too, always alike, or only behind others.

#include "verify/run/outcome.hpp"

namespace normlab::verify {

/// Runs the case of outcomes[which] alone and notes what came out (Outcome::again): once where that is what came out in
/// the run, else three times. Where a finding that fails holds each time, and `behind` asks for it, once more in a
/// process that ran earlier cases of `outcomes` before, of its shape and of others, a second of them at most, and then
/// behind as few of these as it fails behind. Does nothing where cases have no process of their own.
void run_again(std::vector<Outcome>& outcomes, std::size_t which, bool behind);

/// The finding of this quantity and label, if it is there and does not hold.
const Finding* failing_again(const std::vector<Finding>& findings, const Finding& like);

/// It held whenever its case was run alone.
bool holds_alone(const Outcome& outcome, const Finding& finding);

/// What running its case again says of a finding: nothing where it failed alike, or was not run again.
std::string said_again(const Outcome& outcome, const Finding& finding);

}  // namespace normlab::verify
