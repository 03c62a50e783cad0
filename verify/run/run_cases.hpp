#pragma once
// Running cases: on all cores, with results in the order of the cases.

#include <functional>

#include "verify/run/runner.hpp"

namespace normlab::verify {

/// Of the case's implementation: itself where it is a Runner, otherwise a LocalRunner.
const Runner& runner_of(const Case& c);

/// By the runner of the case.
Outcome run_case(const Case& c);
std::string reason_to_skip(const Case& c);

/// All of them, `threads` at a time; those of which so many at once may not fit into memory one after another, when the
/// rest is done. `progress(done, total)` is called after each, never twice at once. Once `stop`, which is asked after
/// each case, says yes, no further case is begun; then the outcomes are those of the cases that ran.
std::vector<Outcome> run_cases(const std::vector<Case>& cases, int threads,
                               const std::function<void(std::size_t, std::size_t)>& progress,
                               const std::function<bool(const Outcome&)>& stop = {});

}  // namespace normlab::verify
