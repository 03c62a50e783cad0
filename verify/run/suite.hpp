#pragma once
// Which cases to run, and running them: on all cores, never stopping at a failure, in an order that does not depend on threads.

#include <functional>

#include "verify/run/catalogue.hpp"

namespace normlab::verify {

/// What is asked for; an empty list means all.
struct Selection {
    std::vector<std::string> variants, implementations, checks;
    std::vector<DType> dtypes;
    std::vector<Layout> layouts;
    std::vector<Mode> modes;
};

/// Those asked for, or all that can run on this machine. Throws Error for an unknown name, and for one that cannot run here, with its reason.
std::vector<std::string> chosen_implementations(const Selection& selection);

/// smoke, ci or full. Throws Error for another word.
Tier parse_tier(const std::string& word);

/// Every check over implementations x variants x dtypes x layouts x modes; from tier ci on also the catalogue of hostile inputs. Throws Error for unknown names.
std::vector<Case> plan(const Selection& selection, Tier tier);

/// One entry of the catalogue. Empty where it has nothing for the selection.
std::vector<Case> plan_hostile(const HostileInput& input, const Selection& selection);

struct Outcome {
    Case test;
    std::vector<Finding> findings;
    std::string skipped;   ///< why; empty: it ran
    std::string name = "", rerun = "";   ///< of an outside vector; empty: the case says them
    std::string smaller = "";            ///< the line that runs a smaller case which fails likewise, if one was looked for and found

    std::string title() const { return name.empty() ? test.text() : name; }
    std::string rerun_line() const { return rerun.empty() ? test.rerun() : rerun; }
};

/// Why a case cannot run: the check has nothing to say about it, or the implementation declines. Empty: it can. Throws Error if the problem
/// itself is wrong.
std::string reason_to_skip(const Case& c);

/// Bytes that truth takes while it differentiates the largest block. About 1700 an element: 14 operations of 80 bytes on the tape, derivatives.
double bytes_needed(const Case& c);

/// Runs one. An exception from the implementation becomes a failed finding that quotes it. Where the data leave the range that the
/// bounds are derived for (squares of the compute precision over- or underflow; kappa-free: s below 1e-30 or values above 1e30), what would fail is UNRESOLVED
/// and says so; a promise that has no bound (bits, memory, State) is not excused.
Outcome run_case(const Case& c);

/// All of them, `threads` at a time; `progress(done, total)` is called after each, never twice at once.
std::vector<Outcome> run_cases(const std::vector<Case>& cases, int threads, const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace normlab::verify
