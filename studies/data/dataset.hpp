#pragma once
// Labelled images, and where they come from.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace normlab::data {

/// N images of one channel, H x W, row by row.
struct Dataset {
    std::string name;         ///< "mnist train", what tables and figures say
    std::string description;  ///< where it is from, in a sentence: what every output states
    std::int64_t H = 0, W = 0;
    int classes = 0;
    std::vector<float> x;              ///< [N, H, W], in [0, 1]
    std::vector<std::int32_t> labels;  ///< [N], in 0 ... classes - 1

    std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
};

struct Split {
    Dataset train, test;
};

/// 0 ... n - 1 in an order drawn from the seed and `purpose` (Fisher & Yates).
std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint64_t purpose);

/// Images and labels of these indices, in their order; the vectors' memory is used again. Throws Error for an index
/// that the set does not have.
void copy_samples(const Dataset& set, std::span<const std::int64_t> indices, std::vector<float>& x,
                  std::vector<std::int32_t>& labels);

/// The samples of these indices, in their order. Throws Error for an index that the set does not have.
Dataset pick(const Dataset& set, std::span<const std::int64_t> indices);

/// In a random order, always the same: what comes sorted by label (files), or class after class (digits), would not do
/// for taking the first samples, nor for evaluation by the statistics of neighbours.
Dataset mixed(const Dataset& set);

/// The first `count` samples of a set. All of them where it has no more.
Dataset first(const Dataset& set, std::int64_t count);

/// A folder with the four files of MNIST or of a set of its form (IDX, plain or gzip), or an .npz file with x and y,
/// and perhaps x_test and y_test; without them a sixth of the samples, drawn from `seed`, is the test set, and the
/// description says so. Both parts are mixed.
/// x is [N, H, W] or [N, 1, H, W]: u8 (divided by 255), or f32 or f64 in [0, 1]. y is [N], integers from 0; the largest
/// label of train and test + 1 is the number of classes.
/// Throws io::InputError naming file, value and what is accepted: files missing, corrupt or truncated, counts or shapes
/// that do not match, labels negative or above 999, fewer than two classes, values outside [0, 1] or not finite, no
/// samples.
Split load(const std::filesystem::path& path, std::uint64_t seed = 1);

}  // namespace normlab::data
