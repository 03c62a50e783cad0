#include "io/idx.hpp"

#include <array>
#include <bit>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "io/error.hpp"
#include "io/gzip.hpp"

namespace normlab::io {

namespace {

constexpr unsigned most_dimensions = 64;

ElementType type_of_code(std::byte code, const std::filesystem::path& path) {
    switch (std::to_integer<int>(code)) {
        case 0x08: return ElementType::u8;
        case 0x09: return ElementType::i8;
        case 0x0B: return ElementType::i16;
        case 0x0C: return ElementType::i32;
        case 0x0D: return ElementType::f32;
        case 0x0E: return ElementType::f64;
        default: break;
    }
    const char character = std::to_integer<char>(code);
    refuse(path, "IDX element type " + in_quotes({&character, 1}) +
                     " is unknown; accepted: \\x08 u8, \\x09 i8, \\x0b i16, \\x0c i32, \\x0d f32, \\x0e f64");
}

void read_header_bytes(ByteSource& source, std::span<std::byte> into, const std::filesystem::path& path) {
    if (source.read(into) < into.size()) refuse(path, "truncated: the data end inside the IDX header");
}

Array read_header(ByteSource& source, const std::filesystem::path& path) {
    std::array<std::byte, 4> start{};
    read_header_bytes(source, start, path);
    if (start[0] != std::byte{0} || start[1] != std::byte{0}) {
        const std::string_view found(reinterpret_cast<const char*>(start.data()), start.size());
        refuse(path, "not an IDX file: it begins with " + in_quotes(found) +
                         "; accepted: two bytes 0, plain or after inflating gzip");
    }
    Array array;
    array.type = type_of_code(start[2], path);
    const auto dimensions = std::to_integer<unsigned>(start[3]);
    if (dimensions < 1 || dimensions > most_dimensions) {
        refuse(path, "IDX header has " + std::to_string(dimensions) + " dimensions; accepted: 1 to " +
                         std::to_string(most_dimensions));
    }
    for (unsigned i = 0; i < dimensions; ++i) {
        std::array<std::byte, 4> digits{};
        read_header_bytes(source, digits, path);
        std::int64_t dimension = 0;
        for (const std::byte digit : digits) dimension = dimension * 256 + std::to_integer<int>(digit);
        array.shape.push_back(dimension);
    }
    return array;
}

Array read_from(ByteSource& source, const std::filesystem::path& path, double most) {
    Array array = read_header(source, path);
    const std::string what = "shape " + shape_text(array.shape) + " of " + std::string(element_name(array.type));
    array.bytes = read_rest(source, path, claimed_bytes(array, path, most), what);
    if constexpr (std::endian::native == std::endian::little) {
        swap_byte_order(array.bytes, element_size(array.type));
    }
    return array;
}

}  // namespace

Array read_idx(const std::filesystem::path& path, double most) {
    InputFile file(path);
    if (!is_gzip(file)) return read_from(file, path, most);
    GzipReader inflated(file);
    return read_from(inflated, path, most);
}

MnistFiles find_mnist(const std::filesystem::path& folder) {
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) {
        refuse(folder, "is not a folder that can be read; accepted: one that holds MNIST's files");
    }
    const auto find = [&](const char* name) -> std::optional<std::filesystem::path> {
        for (const char* ending : {"", ".gz"}) {
            std::filesystem::path candidate = folder / (std::string(name) + ending);
            if (std::filesystem::is_regular_file(candidate, error)) return candidate;
        }
        return std::nullopt;
    };
    MnistFiles files{find("train-images-idx3-ubyte"), find("train-labels-idx1-ubyte"), find("t10k-images-idx3-ubyte"),
                     find("t10k-labels-idx1-ubyte")};
    if (!files.train_images && !files.t10k_images) {
        refuse(folder,
               "holds no MNIST images; accepted: train-images-idx3-ubyte or "
               "t10k-images-idx3-ubyte, with or without .gz");
    }
    return files;
}

}  // namespace normlab::io
