#pragma once
// Cases on tensors that somebody brought: a user's .npy or .npz file, or the activations of layers fed with MNIST.

#include <filesystem>

#include "verify/run/plan.hpp"

namespace normlab::verify {

/// How a file's shape becomes N, C, S, and what else the user said about it.
struct InputOptions {
    /// .npy; x may be an .npz file with the member x, or a single one. gamma, beta empty: the .npz file's members of
    /// that name, else drawn from the seed.
    std::filesystem::path x, gamma, beta;
    Layout layout = Layout::channels_first;  ///< [N, C, ...] or [N, ..., C]
    /// layer and rms norm: over this many last dimensions, gamma an element
    std::optional<std::int64_t> normalized;
    std::optional<std::string> weight_dim;  ///< weight norm's dim: a number or none; 0 unless given
    std::optional<std::int64_t> groups;     ///< group norm; unless given the largest divisor of C up to 32
    std::optional<double> eps;
    /// f16 or bf16: of what the bits are in a file that has but 16 bit whole numbers for them
    std::optional<DType> bits;
    std::uint64_t seed = 1;
};

/// The checks that make sense on real data, for every selected variant. Throws io::InputError for what is wrong with
/// the files (unreadable, corrupt, empty, no floating point, rank below 2, NaN or Inf, more than fits into memory,
/// parameters of another shape than the variant's) and Error where a variant named in
/// the selection cannot take this shape; one not named is left out, and `left_out` says so, a line each.
std::vector<Case> plan_input(const InputOptions& options, const Selection& selection,
                             std::vector<std::string>& left_out);

/// The same on two layers fed with the MNIST images in `folder` (IDX, plain or gzip): 3x3 convolution, 8 channels, and
/// 784 -> 32 dense, He-normal weights from the seed.
/// `layer`: conv or dense alone, or empty for both.
std::vector<Case> plan_mnist(const std::filesystem::path& folder, const std::string& layer, const Selection& selection,
                             std::uint64_t seed, std::vector<std::string>& left_out);

}  // namespace normlab::verify
