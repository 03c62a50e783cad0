#pragma once
// Cases on tensors that somebody brought: a user's .npy or .npz file, or the activations of layers fed with MNIST.

#include <filesystem>

#include "verify/run/brought.hpp"
#include "verify/run/plan.hpp"

namespace normlab::verify {

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
