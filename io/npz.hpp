// NumPy's .npz files: zip archives whose members are .npy files, the array x as x.npy.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "io/array.hpp"
#include "io/zip.hpp"

namespace normlab::io {

/// Whether the file's content begins as a zip archive's does. Throws InputError where it cannot be opened.
bool is_npz(const std::filesystem::path& path);

/// An open .npz file.
class NpzFile {
public:
    /// Throws InputError as ZipFile does.
    explicit NpzFile(const std::filesystem::path& path) : zip_(path) {}

    /// The arrays' names, without .npy, in the file's order. Members that are no .npy files have none.
    std::vector<std::string> names() const;

    /// Throws InputError as read_npy and ZipFile::open do, naming the member too, and std::invalid_argument for a name
    /// that is not among names(). Of more than `most` elements nothing is unpacked: neither the directory's size nor
    /// the header's is believed, and what goes on beyond either is left.
    Array read(std::string_view name, double most = any_number);

private:
    ZipFile zip_;
};

}  // namespace normlab::io
