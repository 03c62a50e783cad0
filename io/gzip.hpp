// Inflates a gzip file piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "io/inflate.hpp"

namespace normlab::io {

/// Whether the file begins with the gzip magic 1f 8b; the file stands at its beginning afterwards.
bool is_gzip(InputFile& file);

/// The inflated bytes of `file` (RFC 1952; several members one after the other are one stream). Holds a
/// fixed buffer, however far the data inflate. `file` must outlive it and stand at its beginning.
/// read() throws InputError where the stream is corrupt (checksum included), truncated, or followed
/// by something else; the end counts as reached, and the checksum as proved, once read() returns
/// less than it was asked for.
class GzipReader final : public ByteSource {
public:
    explicit GzipReader(InputFile& file);
    std::size_t read(std::span<std::byte> into) override;
    std::optional<std::uint64_t> left() const override { return std::nullopt; }

private:
    InputFile& file_;
    Inflater member_;
};

}  // namespace normlab::io
