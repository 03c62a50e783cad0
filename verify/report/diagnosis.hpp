#pragma once
// What is wrong, before the findings that show it: findings that fail, sorted by their cause.

#include <map>
#include <string>
#include <vector>

#include "verify/report/lines.hpp"
#include "verify/report/tabulate.hpp"

namespace normlab::verify {

/// Findings that fail, or are UNRESOLVED, and have a cause in common: a planted fault that explains them or
/// an output that a script did not give (Finding::cause), how the process died, or, where no fault is known, the
/// quantity that is wrong. Those that held when their cases were run again alone (Outcome::again) are one cause, with
/// what the check `reuse` found.
struct Cause {
    std::string title, implementation;
    Verdict verdict = Verdict::fail;
    bool named = false;    ///< by Finding::cause
    bool earlier = false;  ///< findings that hold alone: they depend on earlier calls, or differ from run to run
    std::vector<Measured> findings;
    std::map<std::string, std::size_t> checks;  ///< findings of each
    std::size_t cases = 0;
    std::string common;  ///< separation() of these cases; may be empty
    Measured example;    ///< the first that differs from run to run, or else fails and has a smaller case, or the first

    /// what running cases again says of it, of the example where it can; mostly nothing
    std::string again() const;
    /// "12 findings in 9 cases: accuracy 10, adjoint 2"
    std::string counts() const;
};

/// Those of earlier calls, named ones, then others that FAIL, then UNRESOLVED; each by its number of findings.
std::vector<Cause> diagnose(const std::vector<Outcome>& outcomes);

/// The cases, as places in `outcomes`, whose findings stand for their causes: the example of each, one from the middle
/// and the last. Of no cause that has a name, or of a process that ended.
std::vector<std::size_t> cases_to_run_again(const std::vector<Outcome>& outcomes);

/// Each with its example, the line that reruns it and the smaller case; empty where there is none.
std::string diagnosis_text(const std::vector<Cause>& causes, const std::string& command);

/// A line for each implementation and reason that kept cases from running: as many, and the reason.
std::vector<std::string> skipped_lines(const std::vector<Outcome>& outcomes);

/// "1 case", "2 cases".
std::string plural(std::size_t n, std::string_view what);

}  // namespace normlab::verify
