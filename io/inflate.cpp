#include "io/inflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "io/error.hpp"

namespace normlab::io {

namespace {

constexpr std::size_t input_size = std::size_t{1} << 14U;

// zlib.h: + 16 asks for a gzip header and trailer, the negative for neither
int window_bits(Inflater::Format format) { return format == Inflater::Format::gzip ? 15 + 16 : -15; }

void end_inflate(z_stream_s* stream) {
    inflateEnd(stream);
    delete stream;
}

}  // namespace

Inflater::Inflater(ByteSource& source, std::filesystem::path name, Format format)
    : source_(source), name_(std::move(name)), format_(format), input_(input_size),
      stream_(new z_stream_s{}, end_inflate) {
    if (inflateInit2(stream_.get(), window_bits(format)) != Z_OK) throw std::bad_alloc();
}

bool Inflater::refilled() {
    if (stream_->avail_in == 0) {
        stream_->next_in = reinterpret_cast<Bytef*>(input_.data());
        stream_->avail_in = static_cast<uInt>(source_.read(input_));
    }
    return stream_->avail_in != 0;
}

std::optional<std::byte> Inflater::next() {
    if (!refilled()) return std::nullopt;
    return static_cast<std::byte>(*stream_->next_in);
}

void Inflater::restart() {
    inflateReset(stream_.get());
    ended_ = false;
}

std::size_t Inflater::read(std::span<std::byte> into) {
    const std::string what = format_ == Format::gzip ? "gzip" : "deflate";
    std::size_t filled = 0;
    while (filled < into.size() && !ended_) {
        if (!refilled()) refuse(name_, "truncated: the file ends inside its " + what + " stream");
        const auto room = static_cast<uInt>(std::min<std::size_t>(into.size() - filled, 1U << 30U));
        stream_->next_out = reinterpret_cast<Bytef*>(into.data() + filled);
        stream_->avail_out = room;
        const int status = inflate(stream_.get(), Z_NO_FLUSH);
        filled += room - stream_->avail_out;
        if (status == Z_STREAM_END) {
            ended_ = true;
        } else if (status == Z_MEM_ERROR) {
            throw std::bad_alloc();
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            const char* reason = stream_->msg != nullptr ? stream_->msg : "no reason given";
            refuse(name_, "corrupt " + what + " stream: " + std::string(reason));
        }
    }
    return filled;
}

}  // namespace normlab::io
