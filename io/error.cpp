#include "io/error.hpp"

#include <cstddef>
#include <system_error>

namespace normlab::io {

void refuse(const std::filesystem::path& path, const std::string& what) {
    throw InputError(path.string() + ": " + what);
}

void refuse_with_errno(const std::filesystem::path& path, const std::string& what, int error) {
    refuse(path, what + ": " + std::generic_category().message(error));
}

std::string in_quotes(std::string_view text) {
    constexpr std::size_t longest = 80;
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "'";
    for (const char character : text) {
        if (out.size() > longest) return out + "...'";
        const auto code = static_cast<unsigned char>(character);
        if (code >= 0x20 && code < 0x7f) {
            out += character;
        } else {
            out += "\\x";
            out += digits[code >> 4U];
            out += digits[code & 15U];
        }
    }
    return out + "'";
}

}  // namespace normlab::io
