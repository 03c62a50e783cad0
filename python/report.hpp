#pragma once
// normlab.check() below its arguments: the cases, the run, and what a report is made of.

#include <functional>

#include "python/function.hpp"
#include "verify/report/accept.hpp"
#include "verify/report/report.hpp"
#include "verify/run/plan.hpp"

namespace normlab::python {

/// Which cases run.
struct Chosen {
    std::string tier = "ci";
    std::vector<std::string> dtypes, layouts, modes, checks, cases;
    std::uint64_t seed = 1;
    std::string accept;  ///< a file of known findings; empty: none
    bool shrink = true;  ///< failing cases are made small
};

/// Nothing of what was asked for can be looked at, or could be run.
class Nothing : public Error {
public:
    using Error::Error;
};

class Report {
public:
    Report(std::vector<verify::Outcome> outcomes, double seconds, std::vector<std::string> left_out,
           std::optional<verify::Accepted> accepted, verify::KnownFindings found);

    const verify::Summary& summary() const { return summary_; }
    /// The diagnosis, or nothing but the last line.
    std::string text() const;
    std::string tables() const { return verify::tables_text(outcomes_); }
    std::string json() const { return verify::json_text(outcomes_, summary_, seconds_, "normlab"); }
    std::string html() const;
    /// Against a report that was saved before: {"failing", "holding", "worse": records, "compared", "better": numbers,
    /// "text"}. Throws Error where the file is none, or has none of these cases.
    py::dict compare(const std::string& path) const;
    const std::vector<std::string>& left_out() const { return left_out_; }
    /// Of the known findings those that hold now.
    std::vector<std::string> stale() const;
    /// The text of a file of known findings brought up to date.
    std::string accept_text(const std::string& path) const;

private:
    std::vector<verify::Outcome> outcomes_;
    verify::Summary summary_;
    double seconds_;
    std::vector<std::string> left_out_;
    std::optional<verify::Accepted> accepted_;
    verify::KnownFindings found_;
};

/// The case as the function is asked it: with what it has built in.
verify::Case of_function(verify::Case c, const Function& function);

/// Runs the checks, on this thread. `progress(done, total)` is called with the interpreter's lock held. Throws Error
/// where nothing is left to run or a word is unknown, and what ended the run (Function::ended).
Report check(Function& function, const Chosen& chosen, const py::object& progress);

}  // namespace normlab::python
