#pragma once
// Who runs the cases of an implementation. An Implementation that is a Runner too runs its own, as a plug-in in another
// process does; those of all others run here.

#include "verify/run/outcome.hpp"

namespace normlab::verify {

class Runner {
public:
    virtual ~Runner() = default;

    /// Runs one. What the implementation does wrong, an exception too, becomes a failed finding.
    virtual Outcome run(const Case& c) const = 0;

    /// Why a case cannot run: the check has nothing to say about it, or the implementation declines. Empty: it can.
    /// Throws Error if the problem itself is wrong.
    virtual std::string reason_to_skip(const Case& c) const = 0;

    /// Runs cases one after another in a process that has run nothing before and nothing afterwards: the outcome of
    /// the last. None where cases have no process of their own.
    virtual std::optional<Outcome> run_alone(const std::vector<Case>&) const { return std::nullopt; }
};

}  // namespace normlab::verify
