#include "io/input_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <utility>

#include "io/error.hpp"

namespace normlab::io {

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
    // O_NONBLOCK: opening a pipe without a writer would wait for ever.
    descriptor_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor_ < 0) refuse_with_errno(path_, "cannot be opened for reading", errno);
    struct stat status {};
    const int error = ::fstat(descriptor_, &status) == 0 ? 0 : errno;
    if (error == 0 && S_ISREG(status.st_mode)) {
        size_ = static_cast<std::uint64_t>(status.st_size);
        return;
    }
    ::close(descriptor_);  // a constructor that throws runs no destructor
    if (error != 0) refuse_with_errno(path_, "cannot be examined", error);
    refuse(path_, std::string(S_ISDIR(status.st_mode)    ? "is a directory"
                              : S_ISFIFO(status.st_mode) ? "is a pipe"
                                                         : "is a device or a socket") +
                      "; a regular file is accepted");
}

InputFile::~InputFile() { ::close(descriptor_); }

std::size_t InputFile::read(std::span<std::byte> into) {
    std::size_t filled = 0;
    while (filled < into.size()) {
        const ::ssize_t got = ::read(descriptor_, into.data() + filled, into.size() - filled);
        if (got == 0) break;
        if (got < 0) {
            if (errno == EINTR) continue;
            refuse_with_errno(path_, "cannot be read", errno);
        }
        filled += static_cast<std::size_t>(got);
    }
    position_ += filled;
    return filled;
}

std::optional<std::uint64_t> InputFile::left() const { return position_ < size_ ? size_ - position_ : 0; }

void InputFile::seek(std::uint64_t position) {
    if (::lseek(descriptor_, static_cast<::off_t>(position), SEEK_SET) < 0)
        refuse_with_errno(path_, "cannot be searched", errno);
    position_ = position;
}

std::vector<std::byte> read_exactly(ByteSource& source, const std::filesystem::path& path, std::uint64_t claimed,
                                    const std::string& what) {
    constexpr std::uint64_t first_room = std::uint64_t{1} << 16U;
    const std::string claim = what + " is " + std::to_string(claimed) + " bytes";
    const auto truncated = [&](std::uint64_t there) {
        refuse(path, "truncated: " + claim + ", the data end after " + std::to_string(there));
    };
    const auto left = source.left();
    if (left && *left < claimed) truncated(*left);
    std::vector<std::byte> bytes;
    try {
        for (std::uint64_t filled = 0; filled < claimed;) {
            bytes.resize(left ? claimed : std::min(claimed, std::max(first_room, 2 * filled)));
            filled += source.read(std::span(bytes).subspan(filled));
            if (filled < bytes.size()) truncated(filled);
        }
    } catch (const std::bad_alloc&) {
        refuse(path, claim + ", more than this machine's memory");
    }
    return bytes;
}

std::vector<std::byte> read_rest(ByteSource& source, const std::filesystem::path& path, std::uint64_t claimed,
                                 const std::string& what) {
    const auto trailing = [&](const std::string& found) {
        refuse(path, "trailing bytes: " + what + " is " + std::to_string(claimed) + " bytes, " + found);
    };
    const auto left = source.left();
    if (left && *left > claimed) trailing(std::to_string(*left) + " are there");
    std::vector<std::byte> bytes = read_exactly(source, path, claimed, what);
    std::byte extra{};
    if (source.read({&extra, 1}) != 0) trailing("the data go on");
    return bytes;
}

}  // namespace normlab::io
