// IDX files, the format of MNIST and its kin.
//
//   offset 0   00 00           magic
//          2   08 | 09 | 0B | 0C | 0D | 0E   u8, i8, i16, i32, f32, f64
//          3   number of dimensions, 1 to 64
//          4   each dimension, 4 bytes unsigned, big-endian
//          …   the elements, C order, big-endian; nothing after them
#pragma once

#include <filesystem>
#include <optional>

#include "io/array.hpp"

namespace normlab::io {

/// Reads a plain or gzip-compressed file; the content decides which, not the name.
/// Throws InputError for whatever is not as above, truncated or trailing data, a corrupt gzip stream.
/// Memory grows with the data that are there: a header's claim alone allocates nothing.
Array read_idx(const std::filesystem::path& path, double most = any_number);

struct MnistFiles {
    std::optional<std::filesystem::path> train_images;  ///< (60000, 28, 28) of u8 in MNIST
    std::optional<std::filesystem::path> train_labels;  ///< (60000,)
    std::optional<std::filesystem::path> t10k_images;   ///< (10000, 28, 28)
    std::optional<std::filesystem::path> t10k_labels;   ///< (10000,)
};

/// The files in `folder` that bear MNIST's names: train- or t10k-, then images-idx3-ubyte or
/// labels-idx1-ubyte, with or without .gz (without is preferred). Opens none of them.
/// Throws InputError where `folder` is no folder or holds neither of the two image files.
MnistFiles find_mnist(const std::filesystem::path& folder);

}  // namespace normlab::io
