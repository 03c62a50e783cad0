// JSON files and messages.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace normlab::io {

/// The document in a file. Throws InputError naming the file where it cannot be read, is no JSON, or nests more than 64
/// deep; the message ends with what is accepted.
nlohmann::json read_json(const std::filesystem::path& path,
                         const std::string& accepted = "a whole JSON document is accepted");

/// The document as text, a line for each value. Bytes that are no UTF-8, in a file's name or a plug-in's message,
/// become U+FFFD.
std::string text_of(const nlohmann::json& document);

/// The text with such bytes replaced likewise.
std::string valid_utf8(const std::string& text);

/// The document in CBOR, as messages between processes carry it. For both of the library's documents, ordered or not.
template <class Json>
std::string packed(const Json& document) {
    std::string bytes;
    Json::to_cbor(document, bytes);
    return bytes;
}

}  // namespace normlab::io
