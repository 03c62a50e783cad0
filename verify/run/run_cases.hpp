#pragma once
// Running cases: on all cores, never stopping at a failure, with results in the order of the cases.

#include <functional>

#include "verify/run/runner.hpp"

namespace normlab::verify {

/// Of the case's implementation: itself where it is a Runner, otherwise a LocalRunner.
const Runner& runner_of(const Case& c);

/// By the runner of the case.
Outcome run_case(const Case& c);
std::string reason_to_skip(const Case& c);

/// All of them, `threads` at a time; those of which so many at once may not fit into memory one after another, when the
/// rest is done. Once a signal has come (system/interrupt.hpp) no further one is begun, and those that ended are
/// returned. `progress(done, total)` is called after each, never twice at once.
std::vector<Outcome> run_cases(const std::vector<Case>& cases, int threads,
                               const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace normlab::verify
