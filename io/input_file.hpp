// Files as streams of bytes, opened so that nothing but a regular file gets through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace normlab::io {

/// Bytes in order, from a file or from what inflates one.
class ByteSource {
public:
    virtual ~ByteSource() = default;
    /// Fills `into` and returns its size; a smaller number means that the bytes ended there.
    /// Throws InputError where they cannot be read.
    virtual std::size_t read(std::span<std::byte> into) = 0;
    /// How many bytes are still to come, where that is known without reading them.
    virtual std::optional<std::uint64_t> left() const = 0;
};

/// Owns an open file descriptor.
class InputFile final : public ByteSource {
public:
    /// Throws InputError where the file is missing, unreadable, or not a regular file (a directory, a
    /// device, a pipe; opening a pipe does not wait for its writer).
    explicit InputFile(std::filesystem::path path);
    ~InputFile() override;
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    const std::filesystem::path& path() const { return path_; }

    std::size_t read(std::span<std::byte> into) override;
    std::optional<std::uint64_t> left() const override;  ///< by the file's size when it was opened
    std::uint64_t size() const { return size_; }         ///< in bytes, when it was opened
    void seek(std::uint64_t position);                   ///< the next byte to be read, from the beginning

private:
    std::filesystem::path path_;
    int descriptor_ = -1;
    std::uint64_t size_ = 0;
    std::uint64_t position_ = 0;
};

/// Exactly `claimed` bytes. Throws InputError naming `path` where the source ends sooner; `what` says in the
/// message who claims ("shape (2, 3) of f32").
/// A claim alone allocates nothing: where the source knows what is left, that is compared first;
/// elsewhere the memory held is at most 64 KiB or three times what has arrived.
std::vector<std::byte> read_exactly(ByteSource& source, const std::filesystem::path& path, std::uint64_t claimed,
                                    const std::string& what);

/// The same, and they must be the last: throws also where the source goes on.
std::vector<std::byte> read_rest(ByteSource& source, const std::filesystem::path& path, std::uint64_t claimed,
                                 const std::string& what);

}  // namespace normlab::io
