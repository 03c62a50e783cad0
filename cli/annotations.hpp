#pragma once
// Annotations of GitHub Actions: lines of which it makes messages beside the log.

#include <string>
#include <vector>

namespace normlab::cli {

struct Annotation {
    std::string title, message;
    bool warning = false;  ///< otherwise it is an error
};

/// The lines, "::error title=TITLE::MESSAGE": the first nine, and one that says how many more there are. GitHub shows
/// ten of each kind for a step and drops the rest.
std::string annotations_text(const std::vector<Annotation>& annotations);

/// Prints them to standard error, which the runner reads as it does standard output, where GITHUB_ACTIONS is "true".
void annotate(const std::vector<Annotation>& annotations);

}  // namespace normlab::cli
