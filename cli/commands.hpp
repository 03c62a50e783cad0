#pragma once

#include <CLI/CLI.hpp>

namespace normlab::cli {

/// The whole program; returns its exit status. A main of one's own may register variants and implementations before it
/// calls this.
int run_program(int argc, char** argv);

/// A program with these verbs only: those of normlab that are programs of their own (own_program.hpp).
int run_program(int argc, char** argv, void (*add_verbs)(CLI::App& app, int& status));

/// Each adds its verb to the program; when it runs it sets `status`, the program's exit status.
void add_verify(CLI::App& app, int& status);
void add_bench(CLI::App& app, int& status);
void add_export(CLI::App& app, int& status);
void add_list(CLI::App& app, int& status);
void add_soak(CLI::App& app, int& status);
void add_study(CLI::App& app, int& status);
void add_worker(CLI::App& app,
                int& status);  ///< not for people: a process that runs a plug-in (verify/remote/worker.hpp)
/// not for people: a process that makes a study's runs (studies/runs/jobs.hpp)
void add_study_worker(CLI::App& app, int& status);

inline constexpr const char* bench_help =
    "time implementations: check them first, then compare them with the hardware's limit and each other";
inline constexpr const char* study_help =
    "experiments that put theory and the papers' claims to the test; without a NAME: the list of them";

/// How lines that rerun something begin: as ./dev was called, or normlab.
std::string command_name();

/// The call of a verb as one could type it again, its options in the order of the help.
std::string command_line(const CLI::App& verb);

/// The same as a program's arguments.
std::vector<std::string> arguments_of(const CLI::App& verb);

/// Throws Error for a list with nothing between two commas: CLI11 leaves such elements out, and takes the next flag for
/// the value of one that is a comma alone.
void refuse_empty_elements(const CLI::App& app, const std::vector<char*>& call);

/// The message for a call that CLI11 could not parse: names the word and the nearest accepted one.
std::string parse_error_text(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv);

}  // namespace normlab::cli
