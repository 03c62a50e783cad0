#include "io/gzip.hpp"

#include <array>

#include "io/error.hpp"

namespace normlab::io {

namespace {

constexpr std::array magic{std::byte{0x1f}, std::byte{0x8b}};

}  // namespace

bool is_gzip(InputFile& file) {
    std::array<std::byte, 2> start{};
    const bool whole = file.read(start) == start.size();
    file.seek(0);
    return whole && start == magic;
}

GzipReader::GzipReader(InputFile& file) : file_(file), member_(file, file.path(), Inflater::Format::gzip) {}

std::size_t GzipReader::read(std::span<std::byte> into) {
    std::size_t filled = 0;
    while (filled < into.size()) {
        if (member_.ended()) {
            const auto next = member_.next();
            if (!next) break;
            if (*next != magic[0]) refuse(file_.path(), "trailing bytes: the gzip stream ends before the file does");
            member_.restart();
        }
        filled += member_.read(into.subspan(filled));
    }
    return filled;
}

}  // namespace normlab::io
