#include "io/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "io/error.hpp"

namespace normlab::io {

namespace {

namespace fs = std::filesystem;

struct Target {
    fs::path path;                        // with a symbolic link followed
    std::optional<::mode_t> permissions;  // of the file that is there
};

Target examine(const fs::path& path) {
    if (!path.has_filename()) refuse(path, "names no file to write");
    Target target{path, std::nullopt};
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno != ENOENT) refuse_with_errno(path, "cannot be written", errno);
        return target;
    }
    if (S_ISDIR(status.st_mode)) refuse(path, "is a directory; the name of a file is accepted");
    if (!S_ISREG(status.st_mode)) refuse(path, "is a device or a pipe; the name of a regular file is accepted");
    if (::access(path.c_str(), W_OK) != 0) refuse_with_errno(path, "cannot be written", errno);
    target.permissions = status.st_mode & 07777U;
    std::error_code error;
    target.path = fs::canonical(path, error);
    if (error) refuse_with_errno(path, "cannot be resolved", error.value());
    return target;
}

/// A new, empty file beside the target, removed on destruction unless it has been renamed.
class Temporary {
public:
    Temporary(const fs::path& asked, const Target& target) : asked_(asked) {
        static std::atomic<unsigned> serial{0};
        const fs::path folder = target.path.has_parent_path() ? target.path.parent_path() : ".";
        do {  // the name is not derived from the target's, which may be as long as names can be
            path_ = folder / (".normlab-" + std::to_string(::getpid()) + "-" + std::to_string(serial++) + ".tmp");
            descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        } while (descriptor_ < 0 && errno == EEXIST);
        if (descriptor_ < 0) refuse_with_errno(asked_, "cannot be written: no new file in its folder", errno);
    }
    ~Temporary() {
        if (descriptor_ >= 0) ::close(descriptor_);
        if (!renamed_) ::unlink(path_.c_str());
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;

    void write(std::string_view text) {
        while (!text.empty()) {
            const ::ssize_t written = ::write(descriptor_, text.data(), text.size());
            if (written < 0) {
                if (errno == EINTR) continue;
                refuse_with_errno(asked_, "cannot be written", errno);
            }
            text.remove_prefix(static_cast<std::size_t>(written));
        }
    }

    void become(const Target& target) {
        if (target.permissions && ::fchmod(descriptor_, *target.permissions) != 0) {
            refuse_with_errno(asked_, "cannot be given its old permissions", errno);
        }
        if (::fsync(descriptor_) != 0) refuse_with_errno(asked_, "cannot be flushed to the disk", errno);
        if (::close(std::exchange(descriptor_, -1)) != 0) refuse_with_errno(asked_, "cannot be closed", errno);
        if (std::rename(path_.c_str(), target.path.c_str()) != 0) {
            refuse_with_errno(asked_, "cannot be replaced", errno);
        }
        renamed_ = true;
    }

private:
    const fs::path& asked_;
    fs::path path_;
    int descriptor_ = -1;
    bool renamed_ = false;
};

}  // namespace

void write_atomically(const fs::path& path, std::string_view contents) { write_parts_atomically(path, {&contents, 1}); }

void write_parts_atomically(const fs::path& path, std::span<const std::string_view> parts) {
    const Target target = examine(path);
    Temporary temporary(path, target);
    for (const std::string_view part : parts) temporary.write(part);
    temporary.become(target);
}

void check_writable(const fs::path& path) {
    const Target target = examine(path);
    const Temporary probe(path, target);
}

}  // namespace normlab::io
