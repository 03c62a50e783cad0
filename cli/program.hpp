#pragma once

#include <CLI/CLI.hpp>

namespace normlab::cli {

/// The program with these verbs, from its arguments to its exit status: 0 all held, 1 a check or the machine failed, 2 the call was wrong.
int run_program(int argc, char** argv, void (*add_verbs)(CLI::App& app, int& status));

}  // namespace normlab::cli
