// What a user's file or path can do wrong, as one exception type, and the wording of its message.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace normlab::io {

/// Thrown by every function of io/ for what is wrong outside the program: a file, a path, a full
/// disk. what() reads "PATH: what is wrong; what would be accepted". A mistake of the calling code
/// (an Array whose bytes do not fit its shape) throws std::invalid_argument instead.
class InputError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A file that could be written when the run began and cannot be now, such as on a disk that is full: the call was
/// right, and what was computed does not depend on it.
class OutputError : public InputError {
public:
    using InputError::InputError;
};

/// Throws InputError("PATH: WHAT").
[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what);

/// Throws InputError("PATH: WHAT: the system's text for ERROR"), ERROR being an errno value.
[[noreturn]] void refuse_with_errno(const std::filesystem::path& path, const std::string& what, int error);

/// `text` between quotes for a message: bytes outside printable ASCII as \xNN, at most 80 characters.
std::string in_quotes(std::string_view text);

}  // namespace normlab::io
