#pragma once
// The arrays that somebody brought: --input, --gamma and --beta.

#include <filesystem>
#include <optional>

#include "verify/case/case.hpp"

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

struct Loaded {
    std::filesystem::path name;  ///< of the file, or of its member
    std::vector<std::int64_t> dims;
    std::vector<double> values;
    DType dtype = DType::f64;
    bool untyped = false;  ///< whole numbers for the bits of what --bits names
};

/// What --input, --gamma and --beta name; of an .npz file the members x (or the only one), gamma and beta.
struct Brought {
    Loaded x;
    std::optional<Loaded> gamma, beta;
};

/// Throws io::InputError for what is wrong with the files, and for more elements than cases fit into memory with.
Brought load(const InputOptions& options);

/// A parameter's values, none where there is none, for a variant of this spec on a file of these dimensions. They are
/// taken only where each has its place: as many in another shape, for which Error is thrown, would go to the wrong
/// ones.
std::vector<double> parameter_of(const std::optional<Loaded>& parameter, const Spec& spec, const InputOptions& options,
                                 const std::vector<std::int64_t>& dims);

}  // namespace normlab::verify
