// Man pages, by man(7).
#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/describe.hpp"
#include "system/version.hpp"

namespace normlab::cli {
namespace {

// Text as roff: a backslash and a hyphen are themselves, and no line begins with a command.
std::string roff(const std::string& text) {
    std::string result;
    for (const char c : text)
        if (c == '\\') result += "\\e";
        else if (c == '-') result += "\\-";
        else if (c == '\n') result += "\n.br\n";
        else if (c == '\'') result += "\\(aq";
        else if (c == '`') result += "\\(ga";
        else if (c == '~') result += "\\(ti";
        else if (c == '^') result += "\\(ha";
        else result += c;
    std::string lines;
    for (std::size_t i = 0; i < result.size(); ++i) {
        if (result[i] == '.' && (i == 0 || result[i - 1] == '\n') && result.compare(i, 3, ".br") != 0) lines += "\\&";
        lines += result[i];
    }
    return lines;
}

// The argument of a macro.
std::string quoted(const std::string& text) {
    std::string result;
    for (const char c : roff(text)) result += c == '"' ? "\\(dq" : std::string(1, c);
    return "\"" + result + "\"";
}

std::string sentence(std::string text) {
    if (!text.empty() && text.back() != '.') text += '.';
    return text;
}

std::string option_text(const OptionPage& o) {
    std::string names;
    for (std::size_t at = 0; at <= o.names.size();) {
        const std::size_t end = std::min(o.names.find(',', at), o.names.size());
        names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(o.names.substr(at, end - at)));
        at = end + 1;
    }
    if (!o.value.empty() && !o.positional())
        names += fmt::format(" \\fI{0}\\fR{1}", roff(o.value), o.list ? "[," + roff(o.value) + "...]" : "");
    std::string text = fmt::format(".TP\n{}\n{}\n", names, roff(sentence(o.help)));
    if (!o.words.empty() && o.words.size() <= 12 && o.help.find(o.words.front()) == std::string::npos)
        text += fmt::format("Accepted: {}.\n", roff(fmt::format("{}", fmt::join(o.words, ", "))));
    return text;
}

// The options in the groups of --help, of which the title says an example too.
std::string options_text(const std::vector<OptionPage>& options) {
    std::string text = options.empty() ? "" : ".SH OPTIONS\n", group = "Options";
    for (const OptionPage& o : options) {
        if (o.group != group && !o.positional()) {
            const std::size_t example = o.group.find(", as in ");
            text += fmt::format(".SS {}\n", quoted(o.group.substr(0, example)));
            if (example != std::string::npos)
                text += fmt::format("Example: {}\n", roff(o.group.substr(o.group.find('`') + 1,
                                                                         o.group.rfind('`') - o.group.find('`') - 1)));
            group = o.group;
        }
        text += option_text(o);
    }
    return text;
}

std::string synopsis(const std::string& call, const CommandPage& c) {
    std::string text = fmt::format(".SH SYNOPSIS\n\\fB{}\\fR", roff(call));
    if (!c.commands.empty()) text += call == "normlab" ? " \\fIVERB\\fR" : " [\\fINAME\\fR]";
    for (const OptionPage& o : c.options)
        if (o.positional()) text += fmt::format(" \\fI{}\\fR", roff(o.names));
    return text + " [\\fIOPTIONS\\fR]\n";
}

constexpr std::string_view endings = R"(.SH EXIT STATUS
.TP
0
Everything held.
.TP
1
A check failed or is unresolved, or the machine failed.
.TP
2
The call was wrong; the message says which value, and what is accepted.
.SH ENVIRONMENT
.TP
.B NO_COLOR
Set to anything: no colour on a terminal.
.TP
.B CLICOLOR_FORCE
Set to anything: colour in pipes and files too.
.TP
.B GITHUB_ACTIONS
"true": findings become annotations.
.TP
.B SOURCE_DATE_EPOCH
The date in reports and man pages, in seconds since 1970.
)";

std::string capital(std::string text) {
    if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    return text;
}

std::string page_of(const std::string& call, const std::string& name, const CommandPage& c, const std::string& also) {
    const bool program = call == "normlab";
    const std::string what = program ? "verify normalization layers" : c.help.substr(0, c.help.find('\n'));
    const std::string description =
        program ? "Verifies implementations of normalization layers: their outputs and gradients against bounds, "
                  "identities and invariances. Each verb has a page of its own, which normlab help VERB shows in short"
                : c.help;
    std::string text =
        fmt::format(".TH {} 1 {} {} {}\n.SH NAME\n{} \\- {}\n{}.SH DESCRIPTION\n{}\n", quoted(name),
                    system::utc_time().substr(0, 10), quoted("normlab " + system::version()), quoted("normlab"),
                    roff(name), roff(what), synopsis(call, c), roff(capital(sentence(description))));
    if (!c.commands.empty()) text += program ? ".SH VERBS\n" : ".SH NAMES\n";
    for (const CommandPage& command : c.commands)
        text += fmt::format(".TP\n\\fB{} {}\\fR\n{}\n", roff(call), roff(command.name), roff(sentence(command.help)));
    text += options_text(c.options);
    return text + std::string(endings) + ".SH SEE ALSO\n" + also + "\n";
}

void add_pages_of(const std::string& call, const std::string& name, const CommandPage& c, const std::string& above,
                  std::vector<std::pair<std::string, std::string>>& pages) {
    std::string also;
    const auto refer = [&](const std::string& other) {
        also += fmt::format("{}\\fB{}\\fR(1)", also.empty() ? "" : ",\n", roff(other));
    };
    if (!above.empty()) refer(above);
    for (const CommandPage& command : c.commands) refer(name + "-" + command.name);
    pages.emplace_back(name + ".1", page_of(call, name, c, also));
    for (const CommandPage& command : c.commands)
        add_pages_of(call + " " + command.name, name + "-" + command.name, command, name, pages);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> man_pages(const CommandPage& program) {
    std::vector<std::pair<std::string, std::string>> pages;
    add_pages_of(program.name, program.name, program, "", pages);
    return pages;
}

}  // namespace normlab::cli
