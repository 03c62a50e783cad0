#pragma once
// A run's outcomes for people (tables) and machines (JSON).

#include <string>

#include "verify/report/lines.hpp"

namespace normlab::verify {

struct Summary {
    std::size_t held = 0, failed = 0, unresolved = 0, skipped = 0, warnings = 0;
    double worst_ratio = 0;  ///< error over bound among the findings that have a bound above 0
    std::string worst_case;
    std::size_t not_run = 0;     ///< cases that were planned, in a run that was stopped
    bool interrupted = false;    ///< it was a signal that stopped it
    std::size_t not_judged = 0;  ///< neither held nor failed: the bound allows anything
    std::size_t accepted = 0;    ///< known not to hold (accept.hpp)

    bool good(bool allow_unresolved) const { return failed == 0 && (unresolved == 0 || allow_unresolved); }
};

Summary summarize(const std::vector<Outcome>& outcomes);
Summary summarize(const std::vector<const Outcome*>& outcomes);

/// What a run's report says beside its outcomes.
struct RunInfo {
    double seconds = 0;
    std::string command = "normlab";  ///< how rerun lines begin
    std::string call;                 ///< the whole command line
    bool allow_unresolved = false;
    std::size_t not_run = 0;          ///< cases, of a run that was stopped
    std::vector<std::string> losses;  ///< lines of Baseline, one for each finding that got worse
    bool interrupted = false;         ///< it was a signal that stopped it
};

/// Every failed and unresolved finding, each with the line that reruns it; `command` replaces the leading "normlab".
std::string failures_text(const std::vector<Outcome>& outcomes, const std::string& command);

/// What does not hold: a finding as it is; several sorted by their causes (diagnosis.hpp), then each, where they are
/// few or `all` are asked for.
std::string problems_text(const std::vector<Outcome>& outcomes, const std::string& command, bool all);

/// Findings of a few cases in full: quantity, error, bound, verdict, where.
std::string findings_text(const std::vector<Outcome>& outcomes);

/// The accuracy class of each implementation (accuracy_class.hpp); one row a check and implementation; the error over
/// kappa; the invariance table; what was skipped, by reason.
std::string tables_text(const std::vector<Outcome>& outcomes);

/// The last line of a run.
std::string summary_line(const Summary& summary, double seconds);

/// Everything, a finding an entry.
std::string json_text(const std::vector<Outcome>& outcomes, const Summary& summary, double seconds,
                      const std::string& command);

}  // namespace normlab::verify
