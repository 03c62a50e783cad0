#include "io/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>

#include "io/error.hpp"

namespace normlab::io {

namespace {

constexpr std::size_t input_size = std::size_t{1} << 14U;
constexpr int gzip_window_bits = 15 + 16;  // zlib.h: + 16 asks for a gzip header and trailer
constexpr std::array magic{std::byte{0x1f}, std::byte{0x8b}};

void end_inflate(z_stream_s* stream) {
  inflateEnd(stream);
  delete stream;
}

}  // namespace

bool is_gzip(InputFile& file) {
  std::array<std::byte, 2> start{};
  const bool whole = file.read(start) == start.size();
  file.rewind();
  return whole && start == magic;
}

GzipReader::GzipReader(InputFile& file)
    : file_(file), input_(input_size), stream_(new z_stream_s{}, end_inflate) {
  if (inflateInit2(stream_.get(), gzip_window_bits) != Z_OK) throw std::bad_alloc();
}

void GzipReader::refill() {
  stream_->next_in = reinterpret_cast<Bytef*>(input_.data());
  stream_->avail_in = static_cast<uInt>(file_.read(input_));
}

std::size_t GzipReader::read(std::span<std::byte> into) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    if (stream_->avail_in == 0) refill();
    const bool at_end = stream_->avail_in == 0;
    if (between_members_) {
      if (at_end) break;
      if (static_cast<std::byte>(*stream_->next_in) != magic[0]) {
        refuse(file_.path(), "trailing bytes: the gzip stream ends before the file does");
      }
      inflateReset(stream_.get());
      between_members_ = false;
    }
    if (at_end) refuse(file_.path(), "truncated: the file ends inside its gzip stream");

    const auto room = static_cast<uInt>(std::min<std::size_t>(into.size() - filled, 1U << 30U));
    stream_->next_out = reinterpret_cast<Bytef*>(into.data() + filled);
    stream_->avail_out = room;
    const int status = inflate(stream_.get(), Z_NO_FLUSH);
    filled += room - stream_->avail_out;
    if (status == Z_STREAM_END) {
      between_members_ = true;
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      const char* reason = stream_->msg != nullptr ? stream_->msg : "no reason given";
      refuse(file_.path(), "corrupt gzip stream: " + std::string(reason));
    }
  }
  return filled;
}

}  // namespace normlab::io
