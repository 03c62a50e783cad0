#include "cli/annotations.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

namespace normlab::cli {
namespace {

constexpr std::size_t most = 9;

// As the runner reads it: a line ends a message, and within a property ':' and ',' end it too.
std::string escaped(const std::string& text, std::string_view special) {
    std::string result;
    for (const char c : text)
        if (special.find(c) == std::string_view::npos) result += c;
        else result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    return result;
}

}  // namespace

std::string annotations_text(const std::vector<Annotation>& annotations) {
    std::string text;
    const std::size_t shown = annotations.size() > most + 1 ? most : annotations.size();
    for (const Annotation& a :
         std::vector(annotations.begin(), annotations.begin() + static_cast<std::ptrdiff_t>(shown)))
        text += fmt::format("::{} title={}::{}\n", a.warning ? "warning" : "error", escaped(a.title, "%\r\n:,"),
                            escaped(a.message, "%\r\n"));
    if (shown < annotations.size())
        text += fmt::format("::error title=normlab::{} more like these; the log of this step has them all\n",
                            annotations.size() - shown);
    return text;
}

void annotate(const std::vector<Annotation>& annotations) {
    const char* actions = std::getenv("GITHUB_ACTIONS");
    if (!actions || std::string_view(actions) != "true") return;
    std::fflush(stdout);  // what they are about stands above them in the log
    fmt::print(stderr, "{}", annotations_text(annotations));
}

}  // namespace normlab::cli
