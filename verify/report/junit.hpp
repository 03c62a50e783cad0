#pragma once
// A run's outcomes as JUnit XML, which CI systems read.

#include <string>
#include <string_view>

#include "verify/report/report.hpp"

namespace normlab::verify {

/// By which such a file is known again.
inline constexpr std::string_view junit_beginning =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"normlab verify\"";

/// Where something fails, a testsuite without cases whose system-out is the diagnosis. A testsuite for each check and
/// implementation, a testcase for each case. A failure (type "fail" or "unresolved") quotes its findings, with error,
/// bound and where, and the rerun line; UNRESOLVED that was allowed is skipped, saying so. Losses against a baseline
/// are a testsuite of their own. The attribute `time` of a testcase is the seconds it took, of a testsuite their sum,
/// and of the whole what the run took on all threads.
std::string junit_text(const std::vector<Outcome>& outcomes, const RunInfo& info);

}  // namespace normlab::verify
