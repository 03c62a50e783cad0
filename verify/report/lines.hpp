#pragma once
// A finding as a line, and the line that reruns its case: what every form of a report has in common.

#include <string>

#include "verify/run/outcome.hpp"

namespace normlab::verify {

/// "PASS", "FAIL", "UNRESOLVED", "SKIPPED", "ACCEPTED".
std::string_view name_of(Verdict verdict);
/// The same, or "NOT JUDGED".
std::string_view verdict_of(const Finding& finding);

/// The line that reruns a case; `command` replaces the leading "normlab".
std::string rerun_line(const Outcome& outcome, const std::string& command);

/// A command line that begins with normlab, begun with `command` instead.
std::string called(const std::string& command, const std::string& line);

/// What was measured: the quantity, behind its table row where it has one.
std::string quantity_of(const Finding& finding);

/// A finding in one line: verdict, check, quantity, error, bound, where, note.
std::string finding_line(const Outcome& outcome, const Finding& finding);

}  // namespace normlab::verify
