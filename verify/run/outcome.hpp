#pragma once
// What came of a case.

#include <optional>
#include <string>
#include <vector>

#include "verify/check/check.hpp"

namespace normlab::verify {

/// The same case once more: alone in processes of their own, and in one behind earlier cases of the run.
struct Again {
    std::vector<std::vector<Finding>> alone;  ///< of each such process
    std::vector<Case> before;                 ///< earlier cases, run first in the process of `behind`
    std::vector<Finding> behind;              ///< of the case behind them; empty: it was not run so
};

struct Outcome {
    Case test;
    std::vector<Finding> findings;
    std::string skipped;                ///< why; empty: it ran
    std::string name = "", rerun = "";  ///< of an outside vector; empty: the case says them
    /// the line that runs a smaller case which fails likewise, if one was looked for and found
    std::string smaller = "";
    double seconds = 0;               ///< that it took, where it was run by run_cases or run_vectors
    std::optional<Again> again = {};  ///< what came out when it was run again, if it was (again.hpp)

    std::string title() const { return name.empty() ? test.text() : name; }
    std::string rerun_line() const { return rerun.empty() ? test.rerun() : rerun; }
};

}  // namespace normlab::verify
