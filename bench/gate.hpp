#pragma once
// Correct first: what an implementation must pass before it is timed.

#include <memory>
#include <string>
#include <string_view>

#include "bench/model.hpp"
#include "bench/workloads.hpp"
#include "norms/registry.hpp"

namespace normlab::bench {

/// What the gate found for one direction.
struct Checked {
    double ratio = 0;    ///< the worst error over bound (verify/truth/bounds.hpp)
    std::string wrong;   ///< which quantity, where, what was found and expected; empty: all within their bounds
    double seconds = 0;  ///< of one call, roughly
};

/// Two checks of every quantity (y, s and saved statistics; dx, dgamma, dbeta), with bounds that follow from how the
/// implementation says it accumulates:
///   in full  against truth in quad, every element, of the same channels, layout, dtype and groups with N and S cut
///     down to what truth can afford;
///   in part  the full shape, with the memory and the threads that are timed: a few blocks and channels against plain
///     loops (probe.hpp).
/// Making one draws the numbers and works out what they should give; any number of implementations can then be checked.
class Gate {
public:
    /// `problem` is the workload's, on the host. backward: it will be checked too.
    Gate(const Workload& workload, const Problem& problem, bool backward);
    ~Gate();

    struct Result {
        Checked forward, backward;
    };
    /// Throws whatever the implementation throws where it declines the problem or memory is short.
    Result check(const Implementation& implementation, int threads) const;

    /// The cut-down shape: N first, then S, C only where it alone is too large.
    static Shape cut_down(const Problem& problem);

private:
    struct Expected;
    std::unique_ptr<Expected> expected_;
};

/// Bytes that a Gate and a check need, roughly.
double gate_bytes(const Problem& problem);

}  // namespace normlab::bench
