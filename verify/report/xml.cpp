#include "verify/report/xml.hpp"

#include <cstdint>

#include <fmt/format.h>

namespace normlab::verify {
namespace {

// Bytes of the character that starts here, or 0 where they are no UTF-8 or no character of XML.
std::size_t length_at(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
    };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return first < 0x20 || first == 0x7f ? 0 : 1;
    const std::size_t length = first >= 0xf5 ? 0 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    std::uint32_t code = first & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        code = code << 6 | (byte(i) & 0x3fu);
    }
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool allowed = code >= least[length] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) &&
                         code != 0xfffe && code != 0xffff;
    return allowed ? length : 0;
}

}  // namespace

std::string xml_text(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        std::size_t taken = 1;
        switch (text[0]) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            case '\t': out += "&#9;"; break;
            case '\n': out += "&#10;"; break;
            case '\r': out += "&#13;"; break;
            default:
                if (const std::size_t length = length_at(text)) out += text.substr(0, taken = length);
                else out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(text[0]));
        }
        text.remove_prefix(taken);
    }
    return out;
}

}  // namespace normlab::verify
