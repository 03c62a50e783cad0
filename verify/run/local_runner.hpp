#pragma once

#include "verify/run/runner.hpp"

namespace normlab::verify {

/// Runs cases in this process. An exception from the implementation becomes a failed finding that quotes it. Where the
/// data leave the range that the bounds are derived for (squares of the compute precision over- or underflow;
/// kappa-free: s below 1e-30 or values above 1e30), what would fail is UNRESOLVED and says so; a promise that has no
/// bound (bits, memory, State) is not excused.
class LocalRunner final : public Runner {
public:
    Outcome run(const Case& c) const override;
    std::string reason_to_skip(const Case& c) const override;
};

}  // namespace normlab::verify
