// JSON files.
#pragma once

#include <filesystem>

#include <nlohmann/json_fwd.hpp>

namespace normlab::io {

/// The document in a file. Throws InputError naming the file where it cannot be read, is no JSON, or nests more than 64 deep.
nlohmann::json read_json(const std::filesystem::path& path);

}  // namespace normlab::io
