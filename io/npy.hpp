// NumPy's .npy files (numpy.org, "numpy.lib.format").
//
//   offset 0   93 'N' 'U' 'M' 'P' 'Y'
//          6   version: 1 0, 2 0 or 3 0
//          8   length of the text: 2 bytes in version 1, 4 bytes in 2 and 3, little-endian
//          …   the text (npy_header.hpp)
//          …   the elements; nothing after them
#pragma once

#include <filesystem>

#include "io/array.hpp"
#include "io/input_file.hpp"

namespace normlab::io {

/// Reads f2, f4, f8, bfloat16 (V2), i1, i2, i4, i8, u1 and u2 of either byte order, in C or Fortran order; the result
/// is in C order and the host's byte order. Throws InputError naming the file, the offending value and what would be
/// accepted, for whatever is not as above, and for more than `most` elements. The header is compared with both, and
/// with the file's size, before anything is allocated.
Array read_npy(const std::filesystem::path& path, double most = any_number);

/// The same from a source that holds nothing else; `name` is what messages call it.
Array read_npy(ByteSource& source, const std::filesystem::path& name, double most = any_number);

/// Writes version 1, C order, the host's byte order, through write_atomically.
/// Throws InputError where the file cannot be written, std::invalid_argument where the array's bytes do
/// not fit its shape or it has more than 64 dimensions.
void write_npy(const std::filesystem::path& path, const Array& array);

/// The same without write_atomically, for a folder that nobody reads before it is complete: a file may stay in part
/// where this throws.
void write_npy_in_part(const std::filesystem::path& path, const Array& array);

}  // namespace normlab::io
