// zlib's inflate as a stream of bytes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "io/input_file.hpp"

struct z_stream_s;

namespace normlab::io {

/// Inflates one stream after the other from `source`, which must outlive it. Holds a fixed buffer, however far
/// the data inflate.
class Inflater {
public:
    enum class Format {
        gzip,  ///< RFC 1952: header and checksum are zlib's business
        raw    ///< RFC 1951: the deflated bytes alone
    };

    /// `name`: what messages call the source.
    Inflater(ByteSource& source, std::filesystem::path name, Format format);

    /// Fills `into` or stops at the stream's end; less than asked for means that it has ended.
    /// Throws InputError where the stream is corrupt, or where the source ends inside it.
    std::size_t read(std::span<std::byte> into);

    bool ended() const { return ended_; }
    void restart();                   ///< expects another stream after one that ended
    std::optional<std::byte> next();  ///< the byte after the stream, where there is one; it is not consumed

private:
    bool refilled();

    ByteSource& source_;
    std::filesystem::path name_;
    Format format_;
    std::vector<std::byte> input_;
    std::unique_ptr<z_stream_s, void (*)(z_stream_s*)> stream_;
    bool ended_ = false;
};

}  // namespace normlab::io
