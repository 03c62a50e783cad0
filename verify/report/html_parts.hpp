#pragma once
// The parts of the page that html.hpp makes. Every function returns a section, or nothing where the run has nothing for
// it.

#include <map>

#include "verify/report/report.hpp"
#include "verify/report/tabulate.hpp"

namespace normlab::verify {

/// The run, and which of its cases the page shows in detail.
class Page {
public:
    Page(const std::vector<Outcome>& outcomes, const RunInfo& info);

    const std::vector<Outcome>& outcomes;
    const RunInfo& info;
    std::vector<CheckRow> rows;
    std::vector<std::string> implementations, variants;  ///< in the order of the run

    /// "#case-N"; the page will show that case.
    std::string link(const Outcome& outcome);
    /// Of an implementation: its colour and shape.
    std::size_t index(const std::string& implementation) const;
    /// The cases linked to, in the order of the run.
    std::string details() const;
    std::size_t bytes() const { return bytes_; }

private:
    std::size_t bytes_ = 0;
    std::map<std::size_t, std::string> shown_;  // by place in the run
};

/// A case in full, as an element with its anchor.
std::string case_detail(const Outcome& outcome, std::size_t number, const std::string& command);

/// What a failure's, a warning's or a worst case's line on the page says.
std::string case_line(Page& page, const Measured& worst);
/// The finding that decides how a case is called, or none.
Measured worst_of(const Outcome& outcome);

std::string diagnosis_section(Page& page);
std::string accuracy_section(const Page& page);
std::string kappa_section(Page& page);
/// Error / bound of every finding of some checks, a row for each check and implementation, and for each oracle of those
/// that ask several.
std::string strip_section(Page& page, bool derivatives);
std::string invariance_section(Page& page);
std::string matrix_section(Page& page);

/// Links to the sections of a page's body, and the filter, which its script shows.
std::string contents(const std::string& body);

/// A command line with a button that copies it.
std::string rerun_box(const std::string& line);

/// A name for each implementation beside its mark.
std::string implementation_legend(const Page& page);

/// <section> with its heading and what there is to know about it.
std::string section(std::string_view id, std::string_view title, std::string_view about, const std::string& content);

/// Short, for cells and labels: 0, 0.42, 0.997, 1e-05, 12, ∞. Not negative.
std::string short_number(double value);

/// "pass", "fail", "unresolved": a CSS class.
std::string_view css_of(Verdict verdict);

/// Inline style and script.
extern const std::string_view page_style, page_script;

}  // namespace normlab::verify
