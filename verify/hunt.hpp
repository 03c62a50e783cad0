#pragma once
// Looks for the largest error over bound: cases by chance, and changes of the worst ones found so far.

#include "verify/generate.hpp"

namespace normlab::verify {

/// The worst found of one implementation and dtype.
struct Prey {
    Case test;
    Finding finding;
    std::size_t cases = 0;   ///< run for this implementation and dtype
};

/// Runs `most` cases on `threads` threads, fewer if `go_on` says no; it is asked now and then, with the number of cases begun. Case i depends on seed and i alone
/// but with `climb`: then every other one changes the worst case so far of some implementation and dtype.
struct Hunt {
    std::vector<Prey> worst;
    std::vector<Outcome> failed;   ///< the first hundred
    std::size_t cases = 0, held = 0, unresolved = 0, skipped = 0, failures = 0;
};
Hunt hunt(const Selection& selection, std::uint64_t seed, int threads, bool climb, std::size_t most, const std::function<bool(std::size_t)>& go_on);

/// A line for each of the worst, with the line that reruns it.
std::string hunt_text(const Hunt& hunt, const std::string& command);

}  // namespace normlab::verify
