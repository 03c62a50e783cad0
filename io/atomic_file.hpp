// Output files that are either whole or not there.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

namespace normlab::io {

/// Replaces `path` by a file with `contents`: writes a temporary file in the same folder, flushes it to the
/// disk, renames it. A reader sees the old file or the new one, never a part. An existing file
/// keeps its permissions; a symbolic link stays and the file that it names is replaced, or made.
/// Into a pipe, a terminal or /dev/null the bytes are written as they are, and so they are to standard output, where
/// `path` names it.
/// Throws OutputError with the path and the system's reason; the old file is then untouched and the
/// temporary removed (a killed process leaves its temporary, .normlab-*.tmp). Refuses a target that
/// is a directory, a disk or a socket, or that may not be written.
void write_atomically(const std::filesystem::path& path, std::string_view contents);

/// The same with the contents in several parts, written one after the other.
void write_parts_atomically(const std::filesystem::path& path, std::span<const std::string_view> parts);

/// Throws now as InputError what write_atomically(path, ...) would throw later: folder missing or not
/// writable, a target that is refused. Creates and removes an empty temporary file; what it cannot
/// foresee is a disk that fills up.
void check_writable(const std::filesystem::path& path);

/// From now on write_atomically replaces `path` only as it is now, or by what it wrote itself. Where another process
/// has made or changed the file meanwhile, that file stays; the contents go to a new file beside it, and the
/// OutputError says where.
void expect_unchanged(const std::filesystem::path& path);

/// Whether files with this name go to standard output: -, /dev/stdout and the like.
bool names_standard_output(const std::filesystem::path& path);

/// From now on standard output is for such files alone: what is printed goes to standard error.
void keep_standard_output();

/// The whole path of what would be read or written: every symbolic link followed, although what it names may not be
/// there yet.
std::filesystem::path target_of(const std::filesystem::path& path);

}  // namespace normlab::io
