#pragma once
// A file of cases that are run first: one case string a line, # begins a comment. What fails is added to it, so that it
// fails first next time.

#include <filesystem>

#include "verify/check/check.hpp"

namespace normlab::verify {

/// Its lines without comments and blanks around them; none where the file is not there yet. Throws Error where it
/// cannot be read.
std::vector<std::string> replay_lines(const std::filesystem::path& file);

/// Its cases; none where the file is not there yet. Throws Error naming the line that is no case.
std::vector<Case> read_replay(const std::filesystem::path& file);

/// Adds the cases that the file does not hold, and writes it anew. Cases on a user's data have no string and are left
/// out.
void add_to_replay(const std::filesystem::path& file, const std::vector<Case>& failing);

}  // namespace normlab::verify
