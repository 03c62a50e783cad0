#pragma once
// What came of a case.

#include <string>
#include <vector>

#include "verify/check/check.hpp"

namespace normlab::verify {

struct Outcome {
    Case test;
    std::vector<Finding> findings;
    std::string skipped;                ///< why; empty: it ran
    std::string name = "", rerun = "";  ///< of an outside vector; empty: the case says them
    /// the line that runs a smaller case which fails likewise, if one was looked for and found
    std::string smaller = "";
    double seconds = 0;  ///< that it took, where it was run by run_cases or run_vectors

    std::string title() const { return name.empty() ? test.text() : name; }
    std::string rerun_line() const { return rerun.empty() ? test.rerun() : rerun; }
};

}  // namespace normlab::verify
