#include "cli/colour.hpp"

#include <cstdlib>
#include <regex>
#include <string_view>

#include <unistd.h>

#include <fmt/format.h>

namespace normlab::cli {
namespace {

constexpr std::string_view red = "\033[1;31m", yellow = "\033[33m", green = "\033[32m", plain = "\033[0m";

bool is_set(const char* name) {
    const char* value = std::getenv(name);
    return value && *value;
}

struct Paint {
    std::regex words;
    std::string replacement;
};

// Verdicts stand at the beginning of a line; in a message that quotes one they stay as they are.
const Paint paints[] = {{std::regex("^( *)(FAIL|WRONG|NOT REPRODUCED)(?= )"), fmt::format("$1{}$2{}", red, plain)},
                        {std::regex("^( *)(UNRESOLVED|INCONCLUSIVE)(?= )"), fmt::format("$1{}$2{}", yellow, plain)},
                        {std::regex("^( *)(PASS|REPRODUCED)(?= )"), fmt::format("$1{}$2{}", green, plain)},
                        {std::regex("\\b[1-9][0-9]* (failed|wrong|worse)(?=[,;])"), fmt::format("{}$&{}", red, plain)},
                        {std::regex("\\b[1-9][0-9]* unresolved(?=[,;])"), fmt::format("{}$&{}", yellow, plain)}};

}  // namespace

bool has_colour(std::FILE* stream) {
    if (is_set("NO_COLOR")) return false;
    if (is_set("CLICOLOR_FORCE")) return true;
    const char* terminal = std::getenv("TERM");
    return terminal && std::string_view(terminal) != "dumb" && isatty(fileno(stream));
}

std::string coloured(const std::string& text) {
    std::string result;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::string line = text.substr(begin, end - begin);
        for (const Paint& paint : paints) line = std::regex_replace(line, paint.words, paint.replacement);
        result += line;
        if (end < text.size()) result += '\n';
        begin = end + 1;
    }
    return result;
}

}  // namespace normlab::cli
