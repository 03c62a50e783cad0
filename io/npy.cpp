#include "io/npy.hpp"

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "io/input_file.hpp"
#include "io/npy_header.hpp"

namespace normlab::io {

namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr bool host_is_big_endian = std::endian::native == std::endian::big;

std::string read_text(ByteSource& source, const std::filesystem::path& name, std::uint64_t length,
                      const std::string& what) {
    const std::vector<std::byte> bytes = read_exactly(source, name, length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The text part, without what stands before it.
std::string read_header_text(ByteSource& source, const std::filesystem::path& name) {
    std::string found(magic.size(), '\0');
    found.resize(source.read(std::as_writable_bytes(std::span(found))));
    if (found != magic) {
        refuse(name, "not a .npy file: it begins with " + in_quotes(found) + "; accepted: " + in_quotes(magic));
    }
    const std::string version = read_text(source, name, 2, "the .npy version");
    const auto major = static_cast<unsigned char>(version[0]);
    const auto minor = static_cast<unsigned char>(version[1]);
    if (major < 1 || major > 3 || minor != 0) {
        refuse(name, ".npy version " + std::to_string(major) + "." + std::to_string(minor) +
                         " is not supported; accepted: 1.0, 2.0, 3.0");
    }
    const std::string digits = read_text(source, name, major == 1 ? 2 : 4, "the .npy header's length");
    std::uint64_t length = 0;
    for (std::size_t i = digits.size(); i-- > 0;) {
        length = length * 256 + static_cast<unsigned char>(digits[i]);
    }
    return read_text(source, name, length, "the .npy header");
}

std::vector<std::byte> to_c_order(std::span<const std::byte> from, std::span<const std::int64_t> shape,
                                  std::size_t size) {
    std::vector<std::size_t> lengths(shape.begin(), shape.end());
    std::vector<std::size_t> strides(lengths.size(), size);
    for (std::size_t d = 1; d < lengths.size(); ++d) strides[d] = strides[d - 1] * lengths[d - 1];
    std::vector<std::size_t> index(lengths.size(), 0);
    std::vector<std::byte> to(from.size());
    std::size_t source = 0;
    for (std::size_t target = 0; target < to.size(); target += size) {
        std::memcpy(&to[target], &from[source], size);
        for (std::size_t d = lengths.size(); d-- > 0;) {
            source += strides[d];
            if (++index[d] < lengths[d]) break;
            source -= strides[d] * lengths[d];
            index[d] = 0;
        }
    }
    return to;
}

std::string descr(ElementType type) {
    const std::size_t size = element_size(type);
    if (type == ElementType::bf16) return host_is_big_endian ? ">V2" : "<V2";
    const std::string order = size == 1 ? "|" : host_is_big_endian ? ">" : "<";
    return order + element_name(type)[0] + std::to_string(size);
}

}  // namespace

Array read_npy(const std::filesystem::path& path, double most) {
    InputFile file(path);
    return read_npy(file, path, most);
}

Array read_npy(ByteSource& source, const std::filesystem::path& name, double most) {
    NpyHeader header = parse_npy_header(read_header_text(source, name), name);

    Array array{std::move(header.shape), header.type, {}};
    const std::uint64_t claimed = claimed_bytes(array, name, most);
    array.bytes = read_rest(source, name, claimed,
                            "shape " + shape_text(array.shape) + " of " + std::string(element_name(array.type)));

    const std::size_t size = element_size(array.type);
    if (header.big_endian != host_is_big_endian) swap_byte_order(array.bytes, size);
    if (header.fortran_order) array.bytes = to_c_order(array.bytes, array.shape, size);
    return array;
}

namespace {

// All that stands before the elements.
std::string npy_start(const Array& array) {
    static_cast<void>(array.count());
    if (array.shape.size() > npy_most_dimensions) {
        throw std::invalid_argument("write_npy: " + std::to_string(array.shape.size()) +
                                    " dimensions; accepted: up to " + std::to_string(npy_most_dimensions));
    }
    constexpr std::size_t alignment = 64;  // of the first element, as the format asks
    std::string text =
        "{'descr': '" + descr(array.type) + "', 'fortran_order': False, 'shape': " + shape_text(array.shape) + ", }";
    const std::size_t before = magic.size() + 4;
    text.append(alignment - 1 - (before + text.size()) % alignment, ' ');
    text += '\n';
    std::string start(magic);
    start += {'\x01', '\x00', static_cast<char>(text.size() % 256), static_cast<char>(text.size() / 256)};
    return start + text;
}

std::string_view bytes_of(const Array& array) {
    return {reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()};
}

}  // namespace

void write_npy(const std::filesystem::path& path, const Array& array) {
    const std::string start = npy_start(array);
    write_parts_atomically(path, std::array{std::string_view(start), bytes_of(array)});
}

void write_npy_in_part(const std::filesystem::path& path, const Array& array) {
    std::ofstream out(path, std::ios::binary);
    out << npy_start(array) << bytes_of(array) << std::flush;
    if (!out) refuse_with_errno(path, "cannot be written", errno);
}

}  // namespace normlab::io
