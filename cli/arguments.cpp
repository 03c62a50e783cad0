#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "norms/names.hpp"
#include "verify/case/case.hpp"
#include "system/shell.hpp"

namespace normlab::cli {

std::string command_name() {
    const char* called_as = std::getenv("NORMLAB_COMMAND");   // set by ./dev, so that the lines can be pasted
    return called_as ? called_as : "normlab";
}

void refuse_empty_arguments(CLI::App& verb) {
    for (CLI::Option* option : verb.get_options())
        option->check([](const std::string& value) { return std::string(value.empty() ? "is empty; leave it out, or say what it is" : ""); }, "");
}

double seconds_of(std::string_view flag, const std::string& text, double otherwise) {
    const double seconds = text.empty() ? otherwise : verify::parse_number(flag, text);
    if (!(seconds > 0 && seconds <= 86400)) throw Error(fmt::format("{} {}; seconds, above 0 and up to 86400, are accepted", flag, text));
    return seconds;
}

std::vector<std::string> arguments_of(const CLI::App& verb) {
    std::vector<std::string> arguments{verb.get_name()};
    for (const CLI::Option* option : verb.get_options()) {
        if (option->count() == 0) continue;
        if (option->get_items_expected_max() == 0) arguments.push_back(option->get_name());
        else
            for (const std::string& value : option->results()) arguments.insert(arguments.end(), {option->get_name(), value});
    }
    return arguments;
}

std::string command_line(const CLI::App& verb) {
    std::string line = "normlab";
    for (const std::string& word : arguments_of(verb)) line += " " + system::shell_word(word);
    return line;
}

std::string parse_error_text(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
    const auto views = [](const std::vector<std::string>& v) { return std::vector<std::string_view>(v.begin(), v.end()); };
    const CLI::App* at = &app;
    int next = 1;
    for (std::vector<const CLI::App*> verbs; !(verbs = at->get_subcommands({})).empty(); ++next) {   // a verb, or a study's name
        const std::string what = at == &app ? "verb" : at->get_name();
        std::vector<std::string> names;
        for (const CLI::App* verb : verbs)
            if (!verb->get_group().empty()) names.push_back(verb->get_name());   // not what is for the program itself
        if (next >= argc) return fmt::format("no {}; accepted: {}", what, fmt::join(names, ", "));
        const auto found = std::ranges::find(verbs, argv[next], &CLI::App::get_name);
        if (found == verbs.end() && at->get_option_no_throw(argv[next])) return error.what();   // a flag of the verb's own, which does not go with the rest
        if (found == verbs.end()) return unknown(what, argv[next], views(names));
        at = *found;
    }
    std::vector<std::string> flags;
    for (const CLI::Option* option : at->get_options())
        for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    for (int i = next; i < argc; ++i) {
        const std::string word = argv[i], flag = word.substr(0, word.find('='));
        if (flag.starts_with("-") && std::ranges::find(flags, flag) == flags.end()) return unknown("flag", flag, views(flags));
    }
    return error.what();
}

}  // namespace normlab::cli
