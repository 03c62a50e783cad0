#include "io/json.hpp"

#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "io/input_file.hpp"

namespace normlab::io {

namespace {

// Lists in lists nest so deeply only in a file made to exhaust the stack.
constexpr int deepest = 64;

}  // namespace

nlohmann::json read_json(const std::filesystem::path& path, const std::string& accepted) {
    using nlohmann::json;
    InputFile file(path);
    const std::vector<std::byte> bytes = read_rest(file, path, file.size(), "the file");
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    const auto shallow = [&](int depth, json::parse_event_t, json&) {
        if (depth > deepest) refuse(path, "nests more than " + std::to_string(deepest) + " deep; less is accepted");
        return true;
    };
    try {
        return json::parse(text, text + bytes.size(), shallow);
    } catch (const json::parse_error& e) {
        refuse(path, "is no JSON: " +
                         (e.byte > bytes.size() ? "it ends after " + std::to_string(bytes.size()) +
                                                      " bytes, before what it began is complete"
                                                : "byte " + std::to_string(e.byte) + " cannot be understood") +
                         "; " + accepted);
    } catch (const json::exception&) {
        refuse(path, "is no JSON that can be read: a number in it is beyond those of double precision; " + accepted);
    }
}

std::string text_of(const nlohmann::json& document) {
    return document.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string valid_utf8(const std::string& text) {
    return nlohmann::json::parse(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
        .get<std::string>();
}

}  // namespace normlab::io
