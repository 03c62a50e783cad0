#pragma once
// The files that a call names. Each option that takes a path says here whether it is read or written; before anything
// runs, a call is refused in which one file is both, or is written twice, or which would replace what is the user's
// own.

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace normlab::cli {

/// What a file holds that normlab writes, and how such a file is known again by its content.
struct Kind {
    std::string name;  ///< "a report of verify --json"
    std::function<bool(const std::filesystem::path&)> is_one;
};

/// A JSON document whose header names this program (io/report_header.hpp).
Kind json_file(const std::string& program);
/// A text that begins so.
Kind text_file(const std::string& name, const std::string& beginning);
/// A table whose first line is this regular expression's.
Kind csv_file(const std::string& columns);
Kind figure_file();

/// The option names a file or a folder that is read. `path_of` takes the path out of what the option was given.
CLI::Option* reads(CLI::Option* option, std::string (*path_of)(const std::string&) = nullptr);

/// --force, once a verb.
void add_force(CLI::App& verb);

/// The option names a file that is written. A file of its kind may be there already, and any other with --force, which
/// this adds to the verb. `with`: a flag beside which the kind is another.
CLI::Option* writes(CLI::App& verb, CLI::Option* option, Kind kind, const std::string& with = "", Kind other = {});

/// The option names a file that is read, and written with what was in it.
CLI::Option* updates(CLI::App& verb, CLI::Option* option);

/// The option names a folder in which the verb keeps files of its own; `usual` is taken where it is not given.
CLI::Option* fills(CLI::Option* option, const std::string& usual = "");

/// Throws Error unless the file is not there, is empty, is no regular file, is of this kind, or `force`.
void require_replaceable(const std::string& flag, const std::filesystem::path& file, const Kind& kind, bool force);

/// What a verb does once its call was understood: no argument is empty, no file that it names would be lost, and
/// standard output is free for a report where one goes there.
void when_called(CLI::App& verb, std::function<void()> run);

/// Runs it; where it throws that a word or a file is wrong, the flag that gave it is said too.
void naming_the_flag(const CLI::App& verb, const std::function<void()>& run);

/// The same in steps, for a verb that may leave the writing to another process.
void check_files(const CLI::App& verb);
void free_standard_output(const CLI::App& verb);

}  // namespace normlab::cli
