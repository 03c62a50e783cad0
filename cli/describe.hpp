#pragma once
// The verbs and options of the program as data, from CLI11's tables: what man pages and completion are made of.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace normlab::cli {

struct OptionPage {
    std::string names, value, help, group;  ///< "--json", "FILE"; value is empty for a flag
    bool list = false;                      ///< of several values, comma separated
    std::vector<std::string> words;         ///< that are accepted; empty: anything
    bool positional() const { return !names.starts_with('-'); }
    std::string name() const { return names.substr(names.rfind(',') + 1); }  ///< the long one of "-h,--help"
};

/// The program, a verb, or one of a verb's own.
struct CommandPage {
    std::string name, help;
    std::vector<OptionPage> options;
    std::vector<CommandPage> commands;
};

/// What people are shown of it: nothing that is for the program itself.
CommandPage describe(const CLI::App& app);

/// The same of this program with the verbs that are programs of their own, as far as those are there.
CommandPage describe_all(const CLI::App& app);

/// man DIR, completion SHELL, help, and describe, which is not for people.
void add_pages(CLI::App& app);

/// describe alone, of a verb's own program.
void add_describe(CLI::App& app);

/// A man page in roff for the program and each of its commands, by file name: "normlab-verify.1".
std::vector<std::pair<std::string, std::string>> man_pages(const CommandPage& program);

/// A script for bash, zsh or fish. Throws Error for another shell.
std::string completion_script(const CommandPage& program, const std::string& shell);

}  // namespace normlab::cli
