#pragma once
// A run's outcomes as one page for a browser: everything it needs is in it, and it asks the network for nothing.

#include <string>
#include <string_view>

#include "verify/report/report.hpp"

namespace normlab::verify {

/// By which such a page is known again.
inline constexpr std::string_view html_beginning =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"generator\" content=\"normlab verify\">\n";

/// The verdict; contents and a filter; the diagnosis; what failed; error against kappa; derivatives and the other
/// checks, error / bound of every finding; the invariance table; checks by variants; the worst cases with their rerun
/// lines. Each links to its case, #case-N, N being its place in the run. Sections without content are left out. Works
/// without JavaScript, which adds copying and the filter. Cases in detail are those that figures and tables link to,
/// then failures in order until the page has some 2 MB; what is left out is counted on the page. The same outcomes and
/// seconds give the same text.
std::string html_text(const std::vector<Outcome>& outcomes, const RunInfo& info);

}  // namespace normlab::verify
