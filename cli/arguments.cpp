#include <algorithm>
#include <cstdlib>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "norms/names.hpp"
#include "system/shell.hpp"

namespace normlab::cli {

std::string command_name() {
    const char* called_as = std::getenv("NORMLAB_COMMAND");  // set by ./dev, so that the lines can be pasted
    return called_as ? called_as : "normlab";
}

std::vector<std::string> arguments_of(const CLI::App& verb) {
    std::vector<std::string> arguments{verb.get_name()};
    for (const CLI::Option* option : verb.get_options()) {
        if (option->count() == 0) continue;
        if (option->get_items_expected_max() == 0) arguments.push_back(option->get_name());
        else
            for (const std::string& value : option->results())
                arguments.insert(arguments.end(), {option->get_name(), value});
    }
    return arguments;
}

// Of an app and its verbs.
static void add_list_flags(const CLI::App& app, std::set<std::string>& flags) {
    for (const CLI::Option* option : app.get_options())
        if (option->get_delimiter() != '\0') flags.insert(option->get_name());
    for (const CLI::App* verb : app.get_subcommands({})) add_list_flags(*verb, flags);
}

void refuse_empty_elements(const CLI::App& app, const std::vector<char*>& call) {
    std::set<std::string> flags;
    add_list_flags(app, flags);
    for (std::size_t i = 1; i < call.size() && call[i]; ++i) {
        const std::string word = call[i], flag = word.substr(0, word.find('='));
        if (!flags.contains(flag)) continue;
        if (flag == word && !call[i + 1]) return;
        const std::string list = flag == word ? call[i + 1] : word.substr(flag.size() + 1);
        if (!list.empty() && ("," + list + ",").find(",,") != std::string::npos)
            throw Error(
                fmt::format("{} {}: one of the words between commas is empty; words with one comma between two "
                            "of them are accepted",
                            flag, system::shell_word(list)));
    }
}

std::string command_line(const CLI::App& verb) {
    std::string line = "normlab";
    for (const std::string& word : arguments_of(verb)) line += " " + system::shell_word(word);
    return line;
}

// What CLI11 says, such as "--json: At Most 1 required but received 2", as this program says such things.
static std::string what_is_wrong(const CLI::ParseError& error, const std::string& call = "normlab") {
    std::string text = error.what();
    const std::string help = fmt::format("`{} --help` says what is accepted", call);
    std::smatch part;
    if (static const std::regex often("(.*): At Most (.*) required but received (.*)");
        std::regex_match(text, part, often))
        return fmt::format("{} is given {} times; {} is accepted", part.str(1), part.str(3),
                           part.str(2) == "1" ? "once" : part.str(2) + " times");
    if (static const std::regex missing("(.*): .* required (.*) missing"); std::regex_match(text, part, missing))
        return fmt::format("{} has no value; {}", part.str(1), help);
    if (static const std::regex value("Could not convert: (.*) = ([^]*)"); std::regex_match(text, part, value))
        return fmt::format("{} {}; {}", part.str(1), system::shell_word(part.str(2)), help);
    if (static const std::regex valued("(.*) was given a disallowed flag override");
        std::regex_match(text, part, valued))
        return fmt::format("--{} takes no value; --{} alone, or nothing, is accepted", part[1].str(), part[1].str());
    if (static const std::regex absent("(.*) is required"); std::regex_match(text, part, absent))
        return fmt::format("{} is missing; {}", part.str(1), help);
    if (static const std::regex apart("(.*) excludes (.*)"); std::regex_match(text, part, apart))
        return fmt::format("{} and {} do not go together; one of them is accepted", part.str(2), part.str(1));
    if (static const std::regex needed("(.*) requires (.*)"); std::regex_match(text, part, needed))
        return fmt::format("{} goes with {}", part.str(1), part.str(2));
    if (static const std::regex more("The following arguments? .* not expected: ([^]*)");
        std::regex_match(text, part, more))
        return fmt::format("unexpected argument '{}'; {}", part.str(1), help);
    if (dynamic_cast<const CLI::ValidationError*>(&error))
        if (const std::size_t at = text.find(": "); at != std::string::npos) text.replace(at, 2, " ");
    return text;
}

std::string parse_error_text(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
    const auto views = [](const std::vector<std::string>& v) {
        return std::vector<std::string_view>(v.begin(), v.end());
    };
    const CLI::App* at = &app;
    std::string call = command_name();
    int next = 1;
    // a verb, or a study's name
    for (std::vector<const CLI::App*> verbs; !(verbs = at->get_subcommands({})).empty(); ++next) {
        const std::string what = at == &app ? "verb" : at->get_name();
        std::vector<std::string> names;
        for (const CLI::App* verb : verbs)
            if (!verb->get_group().empty()) names.push_back(verb->get_name());  // not what is for the program itself
        if (next >= argc) return fmt::format("no {}; accepted: {}", what, fmt::join(names, ", "));
        const auto found = std::ranges::find(verbs, argv[next], &CLI::App::get_name);
        // a flag of the verb's own, which does not go with the rest
        if (found == verbs.end() && at->get_option_no_throw(argv[next])) return what_is_wrong(error, call);
        if (found == verbs.end()) return unknown(what, argv[next], views(names));
        at = *found;
        call += " " + at->get_name();
    }
    std::vector<std::string> flags;
    for (const CLI::Option* option : at->get_options())
        if (!option->get_group().empty())  // or it is for the program itself
            for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    if (dynamic_cast<const CLI::ValidationError*>(&error) && !std::string(error.what()).starts_with(":"))
        return what_is_wrong(error, call);  // of a value that may begin with -
    for (int i = next; i < argc; ++i) {
        const std::string word = argv[i], flag = word.substr(0, word.find('='));
        if (flag.starts_with("-") && std::ranges::find(flags, flag) == flags.end())
            return unknown("flag", flag, views(flags));
    }
    return what_is_wrong(error, call);
}

}  // namespace normlab::cli
