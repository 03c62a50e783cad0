#include "cli/describe.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/option_values.hpp"
#include "cli/own_program.hpp"
#include "io/atomic_file.hpp"
#include "norms/tensor.hpp"
#include "system/failure.hpp"
#include "system/process.hpp"
#include "system/shell.hpp"

namespace normlab::cli {
namespace {

using nlohmann::json;

json to_json(const CommandPage& c) {
    json options = json::array(), commands = json::array();
    for (const OptionPage& o : c.options)
        options.push_back({{"names", o.names},
                           {"value", o.value},
                           {"help", o.help},
                           {"group", o.group},
                           {"list", o.list},
                           {"words", o.words}});
    for (const CommandPage& command : c.commands) commands.push_back(to_json(command));
    return {{"name", c.name}, {"help", c.help}, {"options", options}, {"commands", commands}};
}

CommandPage from_json(const json& j) {
    CommandPage c{j.at("name"), j.at("help"), {}, {}};
    for (const json& o : j.at("options"))
        c.options.push_back({o.at("names"), o.at("value"), o.at("help"), o.at("group"), o.at("list"), o.at("words")});
    for (const json& command : j.at("commands")) c.commands.push_back(from_json(command));
    return c;
}

// "-h,--help", "--json", "DIR"
std::string names_of(const CLI::Option& option) {
    if (option.get_positional()) return option.get_name(true);
    std::string names;
    for (const std::string& name : option.get_snames()) names += (names.empty() ? "-" : ",-") + name;
    for (const std::string& name : option.get_lnames()) names += (names.empty() ? "--" : ",--") + name;
    return names;
}

std::string value_of(const CLI::Option& option) {
    return option.get_items_expected_max() == 0 ? "" : option.get_type_name();
}

OptionPage describe(const CLI::Option& option) {
    OptionPage page{names_of(option),
                    value_of(option),
                    option.get_description(),
                    option.get_group(),
                    option.get_delimiter() != '\0',
                    {}};
    page.words = words_after(page.name());
    return page;
}

// What normlab-VERB says of its verb; nothing where it is not there.
std::vector<CommandPage> ask(const std::string& verb) {
    const std::string program = own_program(verb);
    if (!std::filesystem::exists(program)) return {};
    const std::string command = system::shell_word(program) + " describe";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    std::string text;
    std::array<char, 4096> part;
    for (std::size_t n; pipe && (n = std::fread(part.data(), 1, part.size(), pipe.get())) > 0;)
        text.append(part.data(), n);
    const json document = json::parse(text, nullptr, false);
    if (document.is_discarded()) throw Failure(program + " does not say which options it has; build it anew");
    return from_json(document).commands;
}

void write_man_pages(const CLI::App& app, const std::filesystem::path& folder, bool force) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error)
        throw Error(fmt::format("{}: cannot be made ({}); a folder that may be written is accepted", folder.string(),
                                error.message()));
    const auto pages = man_pages(describe_all(app));
    for (const auto& [name, text] : pages)
        require_replaceable("DIR", folder / name, text_file("a man page of normlab", text.substr(0, text.find(" 1 "))),
                            force);
    for (const auto& [name, text] : pages) io::write_atomically(folder / name, text);
    fmt::print("man: {} pages in {}; man -l {} shows the first\n", pages.size(), folder.string(),
               system::shell_word((folder / pages.front().first).string()));
}

}  // namespace

CommandPage describe(const CLI::App& app) {
    CommandPage page{app.get_name(), app.get_description(), {}, {}};
    for (const CLI::Option* option : app.get_options())
        if (!option->get_group().empty()) page.options.push_back(describe(*option));
    for (const CLI::App* command : app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); }))
        page.commands.push_back(describe(*command));
    return page;
}

CommandPage describe_all(const CLI::App& app) {
    CommandPage page = describe(app);
    for (CommandPage& command : page.commands)
        if (is_own_program(command.name))
            for (CommandPage& asked : ask(command.name))
                if (asked.name == command.name) command = std::move(asked);
    return page;
}

void add_describe(CLI::App& app) {
    app.add_subcommand("describe", "")->group("")->callback([&app] {
        fmt::print("{}\n", to_json(describe(app)).dump());
    });
}

void add_pages(CLI::App& app) {
    auto* help = app.add_subcommand("help", "what a verb does and which options it has: help verify, help study noise");
    help->add_option("VERB", "the verb")->expected(-1);  // the call has become VERB --help before it is parsed
    auto* man = app.add_subcommand("man", "write the man pages of all verbs into a folder");
    const auto folder = std::make_shared<std::string>();
    fills(man->add_option("DIR", *folder, "the folder, which is made where there is none"))
        ->required()
        ->type_name("FOLDER");
    add_force(*man);
    when_called(*man, [&app, folder, man] { write_man_pages(app, *folder, man->count("--force") > 0); });
    auto* completion = app.add_subcommand("completion", "print a script that lets a shell complete verbs and options");
    const auto shell = std::make_shared<std::string>();
    completion->add_option("SHELL", *shell, "bash, zsh or fish, as in: source <(normlab completion bash)")->required();
    when_called(*completion, [&app, shell] { fmt::print("{}", completion_script(describe_all(app), *shell)); });
    add_describe(app);
}

}  // namespace normlab::cli
