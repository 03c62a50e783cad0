#pragma once

#include <CLI/CLI.hpp>

namespace normlab::cli {

/// Each adds its verb to the program; when it runs it sets `status`, the program's exit status.
void add_verify(CLI::App& app, int& status);
void add_list(CLI::App& app, int& status);

}  // namespace normlab::cli
