#include "system/proc.hpp"

#include <fstream>
#include <sstream>

namespace normlab::system {

std::vector<std::filesystem::path> proc_entries(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> entries;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder, error), end; it != end; it.increment(error))
        entries.push_back(it->path());
    return entries;
}

std::string proc_text(const std::filesystem::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();  // a stream, unlike its buffer, throws nothing when the thread has ended
    return text.str();
}

}  // namespace normlab::system
