// The text part of a .npy file's header: a Python dict literal,
//   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "io/array.hpp"

namespace normlab::io {

constexpr std::size_t npy_most_dimensions = 64;  // as NumPy 2

struct NpyHeader {
    ElementType type = ElementType::f32;
    bool big_endian = false;
    bool fortran_order = false;
    std::vector<std::int64_t> shape;
};

/// Reads the three keys, each exactly once, in any order, with any white space and an optional last
/// comma. Throws InputError naming `path`, the offending text and what is accepted: a syntax
/// error, a missing, repeated or unknown key, a dtype other than f2 f4 f8 V2 i1 i2 i4 i8 u1 u2, a dimension
/// that is negative or over 2^63 - 1, more than 64 dimensions.
NpyHeader parse_npy_header(std::string_view text, const std::filesystem::path& path);

}  // namespace normlab::io
