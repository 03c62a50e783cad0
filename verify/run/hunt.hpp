#pragma once
// Looks for the largest error over bound: cases by chance, and changes of the worst ones found so far.

#include <cstdint>
#include <functional>

#include "verify/run/outcome.hpp"
#include "verify/run/plan.hpp"

namespace normlab::verify {

/// The worst found of one implementation and dtype.
struct Worst {
    Case test;
    Finding finding;
    std::size_t cases = 0;  ///< run for this implementation and dtype
};

struct Hunt {
    std::vector<Worst> worst;
    std::vector<Outcome> doubtful;  ///< with a FAIL or an UNRESOLVED: the first hundred
    std::size_t cases = 0, held = 0, unresolved = 0, skipped = 0, failed = 0;

    bool good(bool allow_unresolved) const { return failed == 0 && (unresolved == 0 || allow_unresolved); }
};

/// Runs `most` cases on `threads` threads, fewer if `go_on` says no or a signal comes (system/interrupt.hpp); it is
/// asked now and then, on this thread, with the number of cases begun. Case i depends on seed and i alone but with
/// `climb`: then every other one changes the worst case so far of some implementation and dtype.
Hunt hunt(const Selection& selection, std::uint64_t seed, int threads, bool climb, std::size_t most,
          const std::function<bool(std::size_t)>& go_on);

}  // namespace normlab::verify
