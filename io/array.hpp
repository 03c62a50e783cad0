// An n-dimensional array in memory: what the readers of io/ return and the writers take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace normlab::io {

enum class ElementType { f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16 };

std::size_t element_size(ElementType type);       ///< in bytes
std::string_view element_name(ElementType type);  ///< "f32", "i64", ...

/// The ElementType that stores T; only float, double, std::int8_t ... std::int64_t, std::uint8_t, std::uint16_t.
template <typename T>
constexpr ElementType element_type_of() {
    if constexpr (std::is_same_v<T, float>) return ElementType::f32;
    else if constexpr (std::is_same_v<T, double>) return ElementType::f64;
    else if constexpr (std::is_same_v<T, std::int8_t>) return ElementType::i8;
    else if constexpr (std::is_same_v<T, std::int16_t>) return ElementType::i16;
    else if constexpr (std::is_same_v<T, std::int32_t>) return ElementType::i32;
    else if constexpr (std::is_same_v<T, std::int64_t>) return ElementType::i64;
    else if constexpr (std::is_same_v<T, std::uint16_t>) return ElementType::u16;
    else {
        static_assert(std::is_same_v<T, std::uint8_t>, "no ElementType stores this type");
        return ElementType::u8;
    }
}

/// Owns its elements: `bytes` holds the product of `shape` elements of `type`, last dimension
/// fastest (C order), in the host's byte order. Shape () is one element; a dimension may be 0.
struct Array {
    std::vector<std::int64_t> shape;
    ElementType type = ElementType::f32;
    std::vector<std::byte> bytes;

    /// Number of elements. Throws std::invalid_argument where `bytes` does not fit `shape` and `type`.
    std::int64_t count() const;

    /// The elements, valid while `bytes` is neither resized nor destroyed.
    /// Throws std::invalid_argument where T is not what `type` says, and as count() does. The bits of f16 and bf16, of
    /// which C++ has no types, are asked for as std::uint16_t.
    template <typename T>
    std::span<const T> as() const {
        require_type(element_type_of<T>());
        return {reinterpret_cast<const T*>(bytes.data()), static_cast<std::size_t>(count())};
    }
    template <typename T>
    std::span<T> as() {
        require_type(element_type_of<T>());
        return {reinterpret_cast<T*>(bytes.data()), static_cast<std::size_t>(count())};
    }

private:
    void require_type(ElementType asked) const;
};

/// Bytes that `shape` needs; nullopt where a dimension is negative or where the product of the
/// dimensions other than 0, times the element's size, exceeds 2^63 - 1.
std::optional<std::uint64_t> byte_count(std::span<const std::int64_t> shape, ElementType type);

/// Of elements, where a reader need not look after memory.
inline constexpr double any_number = std::numeric_limits<double>::infinity();

/// Bytes of an array that a file claims to hold. Throws InputError naming the file where that is no number, or where it
/// has more than `most` elements: they are not read, or unpacked, to find out.
std::uint64_t claimed_bytes(const Array& claimed, const std::filesystem::path& name, double most);

/// "()", "(3,)", "(3, 4)": Python's notation, which .npy headers use too.
std::string shape_text(std::span<const std::int64_t> shape);

/// Reverses the bytes of every element in place; does nothing for one-byte elements.
void swap_byte_order(std::span<std::byte> bytes, std::size_t size_of_element);

/// A copy of `values` as an Array. Throws std::invalid_argument unless they fill `shape` exactly.
template <typename T>
Array make_array(std::vector<std::int64_t> shape, std::span<const T> values) {
    Array array{std::move(shape), element_type_of<T>(), std::vector<std::byte>(values.size_bytes())};
    if (!values.empty()) std::memcpy(array.bytes.data(), values.data(), values.size_bytes());
    static_cast<void>(array.count());
    return array;
}

}  // namespace normlab::io
