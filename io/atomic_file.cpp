#include "io/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "io/error.hpp"

namespace normlab::io {

namespace {

namespace fs = std::filesystem;

struct Target {
    fs::path path;                        // with symbolic links followed
    std::optional<::mode_t> permissions;  // of the file that is there
    bool streams = false;                 // a pipe or a device: there is no file to replace
};

int standard_output = STDOUT_FILENO;  // where a file named - goes

/// What is at a path, so that a change is noticed; nothing: no file.
using Identity = std::optional<std::array<std::int64_t, 5>>;

Identity identity_of(const fs::path& path) {
    struct stat s {};
    if (::stat(path.c_str(), &s) != 0) return std::nullopt;
    return std::array{static_cast<std::int64_t>(s.st_dev), static_cast<std::int64_t>(s.st_ino),
                      static_cast<std::int64_t>(s.st_size), static_cast<std::int64_t>(s.st_mtim.tv_sec),
                      static_cast<std::int64_t>(s.st_mtim.tv_nsec)};
}

/// Of expect_unchanged, by the whole path.
std::map<fs::path, Identity>& expected() {
    static std::map<fs::path, Identity> all;
    return all;
}

/// `path` with the first number behind it that no file has.
fs::path free_name(const fs::path& path) {
    for (int i = 1;; ++i)
        if (fs::path name = path.string() + "." + std::to_string(i); !fs::exists(name)) return name;
}

Target examine(const fs::path& path) {
    if (names_standard_output(path)) return {path, std::nullopt, true};
    if (!path.has_filename()) refuse(path, "names no file to write");
    Target target{target_of(path), std::nullopt};
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno != ENOENT) refuse_with_errno(path, "cannot be written", errno);
        return target;
    }
    if (S_ISDIR(status.st_mode)) refuse(path, "is a directory; the name of a file is accepted");
    target.streams = S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode);
    if (!S_ISREG(status.st_mode) && !target.streams)
        refuse(path, "is a disk or a socket; the name of a regular file is accepted");
    if (::access(path.c_str(), W_OK) != 0) refuse_with_errno(path, "cannot be written", errno);
    target.permissions = status.st_mode & 07777U;
    return target;
}

void write_all(int descriptor, std::string_view text, const fs::path& asked) {
    while (!text.empty()) {
        const ::ssize_t written = ::write(descriptor, text.data(), text.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            refuse_with_errno(asked, "cannot be written", errno);
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

/// Into what is no regular file: whoever reads it gets the bytes as they come.
void write_stream(const fs::path& path, std::span<const std::string_view> parts) {
    const bool own = !names_standard_output(path);
    const int descriptor = own ? ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY) : standard_output;
    if (descriptor < 0) refuse_with_errno(path, "cannot be written", errno);
    const auto handler = std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an error like any other
    try {
        for (const std::string_view part : parts) write_all(descriptor, part, path);
    } catch (const InputError&) {
        std::signal(SIGPIPE, handler);
        if (own) ::close(descriptor);
        throw;
    }
    std::signal(SIGPIPE, handler);
    if (own && ::close(descriptor) != 0) refuse_with_errno(path, "cannot be closed", errno);
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
        if (descriptor_ < 0) refuse_with_errno(asked_, "cannot be written: its folder takes no new file", errno);
    }
    ~Temporary() {
        if (descriptor_ >= 0) ::close(descriptor_);
        if (!renamed_) ::unlink(path_.c_str());
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;

    void write(std::string_view text) { write_all(descriptor_, text, asked_); }

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

bool names_standard_output(const fs::path& path) {
    constexpr std::array names{"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"};
    return std::ranges::find(names, path.native()) != names.end();
}

void keep_standard_output() {
    standard_output = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    if (standard_output < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        refuse_with_errno("-", "standard output cannot be kept", errno);
}

fs::path target_of(const fs::path& path) {
    constexpr int most_links = 40;  // as the system follows
    std::error_code none;
    fs::path target = fs::absolute(path);
    for (int i = 0; i < most_links && fs::is_symlink(target, none); ++i) {
        const fs::path next = fs::read_symlink(target, none);
        if (none) break;
        target = target.parent_path() / next;  // next alone, where it is absolute
    }
    const fs::path whole = fs::weakly_canonical(target, none);
    return none ? target : whole;
}

void write_atomically(const fs::path& path, std::string_view contents) { write_parts_atomically(path, {&contents, 1}); }

void write_parts_atomically(const fs::path& path, std::span<const std::string_view> parts) try {
    Target target = examine(path);
    if (target.streams) return write_stream(path, parts);
    Temporary temporary(path, target);
    for (const std::string_view part : parts) temporary.write(part);
    const auto seen = expected().find(target.path);
    if (seen != expected().end() && seen->second != identity_of(target.path)) {
        target = {free_name(target.path), std::nullopt};
        temporary.become(target);
        refuse(path,
               "another program wrote it during this run, and it stays as that left it; what this run would have "
               "written there is in " +
                   target.path.string());
    }
    temporary.become(target);
    if (seen != expected().end()) seen->second = identity_of(target.path);
} catch (const InputError& e) {
    throw OutputError(e.what());
}

void expect_unchanged(const fs::path& path) {
    if (!names_standard_output(path)) expected()[target_of(path)] = identity_of(path);
}

void check_writable(const fs::path& path) {
    const Target target = examine(path);
    if (target.streams) return;  // to open a pipe and close it again would end what its reader reads
    const Temporary probe(path, target);
}

}  // namespace normlab::io
