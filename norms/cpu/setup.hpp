#pragma once
// What a plan works out once: the blocks of a problem, how work is cut into tasks (by size alone, so that results do
// not depend on threads), and the workspace.

#include <algorithm>
#include <cstddef>
#include <vector>

#include "norms/geometry.hpp"
#include "norms/implementation.hpp"

// Functions that are compiled for several instruction sets have to be inlined: the linker keeps one copy of any other.
#define NORMLAB_INLINE [[gnu::always_inline]] inline

namespace normlab::cpu {

/// Hands out consecutive arrays of a workspace; of a null one only their sizes.
class Arena {
public:
    NORMLAB_INLINE explicit Arena(void* base) : base_(static_cast<std::byte*>(base)) {}
    template <class T>
    NORMLAB_INLINE T* take(std::int64_t count) {
        T* array = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
        used_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
        return array;
    }
    std::size_t used() const { return used_; }

private:
    std::byte* base_;
    std::size_t used_ = 0;
};

struct Setup {
    NORMLAB_INLINE Setup(const Problem& p, const BlockLayout& layout)
        : problem(p), g(layout.blocks), y(g), dy(g), dx(g), rule(layout.params),
          kernel(kernel_for(layout.blocks, p.dtype)), own(p.own_statistics()), m(static_cast<double>(p.block_size())),
          q(p.spec.divisor_of(m)), scaled_channels(scaled_channels_of(p)) {}

    Problem problem;
    Geometry g;          // of x
    Geometry y, dy, dx;  // strides may be others, in row and slab
    ParamRule rule;
    Kernel kernel;
    bool own;     ///< statistics are the input's
    double m, q;  ///< elements of a block; divisor of the variance and of sum g x_hat
    std::int64_t scaled_channels;

    /// Where every 128 channels have a scale (Scale::channels): the channels of a block, if those of a position lie
    /// side by side and share no scale with another block's; else 0.
    NORMLAB_INLINE static std::int64_t scaled_channels_of(const Problem& p) {
        const Axes& block = p.spec.block;
        const std::int64_t C = p.shape.C, D = !p.own_statistics() || !block.channels ? 1
                                              : block.groups                         ? C
                                                                                     : p.channels_per_group();
        const bool touch = C == 1 || p.shape.S == 1 || p.layout == Layout::channels_last;
        return touch && (D == C || D % channels_of_a_scale == 0) ? D : 0;
    }
    /// y of another type than the data's, in row and slab, with the scales that are asked for.
    NORMLAB_INLINE bool has_output() const {
        const bool scaled = problem.spec.scale != Scale::channels || (g.runs == 1 && scaled_channels > 0);
        return problem.outputs() == problem.dtype || (kernel != Kernel::column && scaled);
    }
    /// Scales of a row of such channels.
    NORMLAB_INLINE std::int64_t scales_of_row() const {
        return g.len / scaled_channels * ((scaled_channels + channels_of_a_scale - 1) / channels_of_a_scale);
    }

    NORMLAB_INLINE std::int64_t blocks() const { return g.outer * g.inner; }
    /// Where run r of a block of x, y, dy or dx begins.
    NORMLAB_INLINE static std::int64_t start(const Geometry& of, std::int64_t block, std::int64_t r) {
        return block / of.inner * of.outer_stride + block % of.inner * of.inner_stride + r * of.run_stride;
    }

    static constexpr std::int64_t few = 7;
    /// Blocks of so few elements, less than one vector, are taken eight at a time, whatever their geometry.
    NORMLAB_INLINE bool has_few() const { return own && m >= 1 && m <= few; }

    /// Row and slab: consecutive blocks that share one set of partial sums of dgamma and dbeta. No two blocks have a
    /// channel in common where there is one outer index and blocks have channels of their own; then there is one set in
    /// all.
    NORMLAB_INLINE bool channels_are_disjoint() const { return g.outer == 1 && (rule.inner_step != 0 || g.inner == 1); }
    NORMLAB_INLINE std::int64_t slices_of_blocks() const {
        return std::min<std::int64_t>(blocks(), channels_are_disjoint() ? blocks() : 32);
    }
    NORMLAB_INLINE std::int64_t partial_sets() const { return channels_are_disjoint() ? 1 : slices_of_blocks(); }

    /// Column. Narrow rows that touch are taken `fold` at a time, as one row of `columns`; the rows left over are a
    /// part of their own. Rows are cut into slices so that there is work for many threads, in whole chunks.
    static constexpr std::int64_t tile = 64, chunk_rows = 32;
    NORMLAB_INLINE std::int64_t width() const { return g.inner * g.len; }
    /// gamma and beta belong to rows, not to columns
    NORMLAB_INLINE bool channel_is_row() const { return rule.run_step != 0; }
    NORMLAB_INLINE std::int64_t fold() const {
        const std::int64_t fits = tile / width();
        return channel_is_row() || g.run_stride != width() || fits < 2 || fits > g.runs ? 1 : fits;
    }
    NORMLAB_INLINE std::int64_t columns() const { return width() * fold(); }
    NORMLAB_INLINE std::int64_t rows() const { return g.runs / fold(); }
    NORMLAB_INLINE std::int64_t rows_left_over() const { return g.runs % fold(); }
    NORMLAB_INLINE std::int64_t tiles() const { return (columns() + tile - 1) / tile; }
    NORMLAB_INLINE std::int64_t slices_of_rows() const {
        return std::clamp<std::int64_t>(64 / (g.outer * tiles()), 1,
                                        std::max<std::int64_t>(rows() / (4 * chunk_rows), 1));
    }
    NORMLAB_INLINE std::int64_t first_row(std::int64_t slice) const {
        const std::int64_t chunks = (rows() + chunk_rows - 1) / chunk_rows;
        return std::min(rows(), slice * chunks / slices_of_rows() * chunk_rows);
    }
    NORMLAB_INLINE std::int64_t parts() const { return slices_of_rows() + (rows_left_over() > 0 ? 1 : 0); }

    /// Small problems are not worth a team of threads.
    NORMLAB_INLINE int team(int threads) const { return problem.shape.size() < (1 << 15) ? 1 : threads; }
};

/// The entry points of one dtype and one instruction set.
struct Kernels {
    void (*forward)(const Setup&, const ForwardArgs&, int threads);
    void (*backward)(const Setup&, const BackwardArgs&, int threads);
    std::size_t (*workspace_bytes)(const Setup&);
};

}  // namespace normlab::cpu
