#pragma once
// What a hunt found.

#include "verify/run/hunt.hpp"

namespace normlab::verify {

/// A line for each of the worst, with the line that reruns it, begun with `command`; then failures_text of the
/// doubtful.
std::string hunt_text(const Hunt& hunt, const std::string& command);

/// The counts, the worst and the doubtful cases; `not_run`: those that a signal kept from being run.
std::string hunt_json(const Hunt& hunt, std::uint64_t seed, double seconds, std::size_t not_run);

}  // namespace normlab::verify
