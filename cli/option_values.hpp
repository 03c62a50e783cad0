#pragma once
// What stands behind an option: the word that --help and the man pages show for it, and the words that a shell
// completes.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace normlab::cli {

/// Names the values of the verbs' options, by the options' names: --dtype DTYPE, --json FILE.
void name_option_values(CLI::App& app);

/// The words that are accepted after an option of this name; empty where there is no list of them.
std::vector<std::string> words_after(const std::string& flag);

}  // namespace normlab::cli
