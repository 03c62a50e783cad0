#pragma once
// Spec + Shape + layout -> the seven integers that a kernel works on, and the rule that finds gamma and beta.

#include <optional>

#include "norms/spec.hpp"

namespace normlab {

/// A block is `runs` runs of `len` contiguous elements, `run_stride` apart. Blocks carry a two-digit index (o, i),
/// o < outer, i < inner; block number o * inner + i; base o * outer_stride + i * inner_stride. A stride whose count is
/// 1 is 0. Neighbouring runs that touch are one run. All in elements.
struct Geometry {
    std::int64_t outer = 1, outer_stride = 0;
    std::int64_t inner = 1, inner_stride = 0;
    std::int64_t runs = 1, run_stride = 0;
    std::int64_t len = 1;
    bool operator==(const Geometry&) const = default;
};

/// Channel of element k of run r in block (o, i): i * inner_step + r * run_step + (k / divisor) % modulus.
struct ParamRule {
    std::int64_t inner_step = 0, run_step = 0, divisor = 1, modulus = 1;
    constexpr std::int64_t channel(std::int64_t i, std::int64_t r, std::int64_t k) const {
        return i * inner_step + r * run_step + (k / divisor) % modulus;
    }
    bool operator==(const ParamRule&) const = default;
};

struct BlockLayout {
    Geometry blocks;
    ParamRule params;
};

/// The blocks of `x` under `spec` (statistics from the input itself). Strides of `x` are honoured; nothing where seven
/// integers cannot say it (channels-last slices with gaps between samples for blocks that span samples, or a Spec that
/// keeps channels and positions apart). Assumes a validated problem without empty dimensions.
std::optional<BlockLayout> block_layout(const Spec& spec, const ConstTensor& x);

/// Of a tensor of the problem: the blocks of the spec or, where statistics come from State, the channels (block number
/// = channel).
std::optional<BlockLayout> block_layout(const Problem& problem, const Gaps& gaps = {});

/// The three kernels that every implementation of ours has.
enum class Kernel {
    row,   ///< one contiguous run a block
    slab,  ///< several runs of at least 64 bytes
    /// short runs: the blocks of one outer index lie side by side, run r of all of them in inner * len contiguous
    /// elements
    column
};
Kernel kernel_for(const Geometry& blocks, DType dtype);

}  // namespace normlab
