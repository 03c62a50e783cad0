#include "cli/commands.hpp"
#include "norms/names.hpp"

namespace normlab::cli {

void refuse_empty_arguments(CLI::App& verb) {
    for (CLI::Option* option : verb.get_options())
        option->check([](const std::string& value) { return value.empty() ? std::string("is empty; leave it out, or say what it is") : std::string(); }, "");
}

std::string parse_error_text(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
    std::vector<std::string> verbs, flags;
    for (const CLI::App* verb : app.get_subcommands({})) verbs.push_back(verb->get_name());
    const auto views = [](const std::vector<std::string>& v) { return std::vector<std::string_view>(v.begin(), v.end()); };
    if (argc < 2) return "no verb; accepted: " + verbs[0] + ", " + verbs[1];
    const auto verb = std::ranges::find(verbs, argv[1]);
    if (verb == verbs.end()) return unknown("verb", argv[1], views(verbs));
    for (const CLI::Option* option : app.get_subcommand(*verb)->get_options())
        for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    for (int i = 2; i < argc; ++i) {
        const std::string word = argv[i], flag = word.substr(0, word.find('='));
        if (flag.starts_with("-") && std::ranges::find(flags, flag) == flags.end()) return unknown("flag", flag, views(flags));
    }
    return error.what();
}

}  // namespace normlab::cli
