#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace normlab::system {

// What /proc says. A process or thread can end between the listing and the reading: it then has no entries, and an
// empty text.
std::vector<std::filesystem::path> proc_entries(const std::filesystem::path& folder);
std::string proc_text(const std::filesystem::path& file);

}  // namespace normlab::system
