#pragma once
// Which cases a call of verify runs, those of --replay before the others, and what is told of them.

#include <string>
#include <vector>

#include "cli/annotations.hpp"
#include "cli/verify_options.hpp"
#include "verify/report/report.hpp"

namespace normlab::cli {

/// How many pairs --exhaustive has run.
std::string exhaustive_text(const std::vector<verify::Outcome>& outcomes);

/// The cases of --replay and those planned, of both those that --filter matches. Throws Error where none is left.
std::vector<verify::Case> selected_cases(const VerifyOptions& o, std::vector<std::string>& left_out);

/// --list-cases: the strings of the cases that would run, a line each; to standard error how many would be skipped.
void list_cases(const VerifyOptions& o);

/// Whether --fail-fast stops here: something failed, or is unresolved where that is not allowed.
bool is_finding(const verify::Outcome& outcome, bool allow_unresolved);

/// What GitHub shows: each case with findings that do not hold, with the line that reruns it, and each loss.
std::vector<Annotation> annotations_of(const std::vector<verify::Outcome>& outcomes, const verify::RunInfo& info);

}  // namespace normlab::cli
