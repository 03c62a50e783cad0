#include "io/array.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "io/error.hpp"

namespace normlab::io {

std::size_t element_size(ElementType type) {
    switch (type) {
        case ElementType::i8:
        case ElementType::u8: return 1;
        case ElementType::f16:
        case ElementType::bf16:
        case ElementType::u16:
        case ElementType::i16: return 2;
        case ElementType::f32:
        case ElementType::i32: return 4;
        case ElementType::f64:
        case ElementType::i64: return 8;
    }
    throw std::invalid_argument("element_size: not an ElementType");
}

std::string_view element_name(ElementType type) {
    switch (type) {
        case ElementType::f32: return "f32";
        case ElementType::f64: return "f64";
        case ElementType::f16: return "f16";
        case ElementType::bf16: return "bf16";
        case ElementType::u16: return "u16";
        case ElementType::i8: return "i8";
        case ElementType::i16: return "i16";
        case ElementType::i32: return "i32";
        case ElementType::i64: return "i64";
        case ElementType::u8: return "u8";
    }
    throw std::invalid_argument("element_name: not an ElementType");
}

std::int64_t Array::count() const {
    const auto needed = byte_count(shape, type);
    if (!needed || *needed != bytes.size()) {
        throw std::invalid_argument("Array: " + std::to_string(bytes.size()) + " bytes do not hold shape " +
                                    shape_text(shape) + " of " + std::string(element_name(type)));
    }
    return static_cast<std::int64_t>(bytes.size() / element_size(type));
}

void Array::require_type(ElementType asked) const {
    const bool bits = asked == ElementType::u16 && (type == ElementType::f16 || type == ElementType::bf16);
    if (asked == type || bits) return;
    throw std::invalid_argument("Array: holds " + std::string(element_name(type)) + ", asked for as " +
                                std::string(element_name(asked)));
}

std::optional<std::uint64_t> byte_count(std::span<const std::int64_t> shape, ElementType type) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    std::uint64_t bytes = element_size(type);
    bool empty = false;
    for (const std::int64_t dimension : shape) {
        if (dimension < 0) return std::nullopt;
        if (dimension == 0) {
            empty = true;
            continue;
        }
        const auto factor = static_cast<std::uint64_t>(dimension);
        if (bytes > most / factor) return std::nullopt;
        bytes *= factor;
    }
    return empty ? 0 : bytes;
}

std::uint64_t claimed_bytes(const Array& claimed, const std::filesystem::path& name, double most) {
    const std::string what = "shape " + shape_text(claimed.shape) + " of " + std::string(element_name(claimed.type));
    const auto bytes = byte_count(claimed.shape, claimed.type);
    if (!bytes) refuse(name, what + " overflows; accepted: less than 2^63 bytes");
    const auto elements = *bytes / element_size(claimed.type);
    if (static_cast<double>(elements) > most)
        refuse(name, what + " has " + std::to_string(elements) + " elements; up to " +
                         std::to_string(static_cast<std::uint64_t>(most)) + " are accepted with this machine's memory");
    return *bytes;
}

std::string shape_text(std::span<const std::int64_t> shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (i > 0) text += ", ";
        text += std::to_string(shape[i]);
    }
    return text + (shape.size() == 1 ? ",)" : ")");
}

void swap_byte_order(std::span<std::byte> bytes, std::size_t size_of_element) {
    if (size_of_element < 2) return;
    for (; bytes.size() >= size_of_element; bytes = bytes.subspan(size_of_element)) {
        std::ranges::reverse(bytes.first(size_of_element));
    }
}

}  // namespace normlab::io
