#pragma once
// How work is cut up for a CUDA device: pure functions of the geometry, without a CUDA header, tested on the host
// (tests/launch_test.cpp).
//
// Nothing here asks how many multiprocessors there are, nor how many blocks lie beside each other in the outer digit: a
// block is always summed in the same order, so results are the same bits on every device and for every batch size. All
// counts and offsets have 64 bits.

#include "norms/geometry.hpp"

namespace normlab::cuda {

/// A task is what one CTA does at a time; CTAs stride over tasks.
///   row     a task is threads / team blocks, each walked by `team` threads
///   slab    a task is one part of one block: `part` of its runs * len elements, taken in order of runs
///   column  a task is 32 neighbouring elements ("columns") of a run of all blocks of one outer index, over `part`
///     runs; 32 x 8 threads
/// slab and column leave one partial result a part: partial[(o * splits + split) * width + j], j = i (slab) or element
/// of the run (column).
struct Launch {
    Kernel kernel = Kernel::row;
    int threads = 0, team = 0;
    std::int64_t splits = 1, part = 0;
    /// per_block neighbours of the `width` partial results belong to one block
    std::int64_t width = 0, per_block = 1;
    std::int64_t tasks = 0;
    bool operator==(const Launch&) const = default;
};

/// Rows longer than this are cut into parts as slabs are, so that one long row keeps the device busy.
inline constexpr std::int64_t longest_row = 65536;
inline constexpr std::int64_t most_splits = 1024;  // what one warp then merges
inline constexpr int columns = 32, column_rows = 8;

Launch launch_for(const Geometry& blocks, DType dtype);

/// The same without the row kernel: for sums over whole channels, which it does not make.
Launch launch_in_parts(const Geometry& blocks, DType dtype);

/// Partial results that a launch of slab or column leaves.
constexpr std::int64_t partials(const Geometry& g, const Launch& l) {
    return l.kernel == Kernel::row ? 0 : g.outer * l.splits * l.width;
}

/// CTAs for a number of tasks: at most the grid's limit in x, 2^31 - 1.
constexpr unsigned grid_for(std::int64_t tasks) {
    return static_cast<unsigned>(tasks < 0x7fffffff ? tasks : 0x7fffffff);
}

/// A geometry, its channels and its launch: what kernels are given.
struct Blocks {
    Geometry geometry;
    ParamRule params;
    Launch launch;

    constexpr std::int64_t count() const { return geometry.outer * geometry.inner; }
    constexpr std::int64_t base(std::int64_t b) const {
        return b / geometry.inner * geometry.outer_stride + b % geometry.inner * geometry.inner_stride;
    }
    /// All elements of a block are of one channel.
    constexpr bool one_channel() const { return params.run_step == 0 && params.modulus == 1; }
};

/// A thread's place in a row launch: the first row of its team, how far it is to the team's next, and its number in the
/// team.
struct RowTask {
    std::int64_t first, step;
    int lane;
};
constexpr RowTask row_task(const Launch& l, std::int64_t cta, std::int64_t ctas, int thread) {
    const int teams = l.threads / l.team;
    return {cta * teams + thread / l.team, ctas * teams, thread % l.team};
}

/// Elements begin, begin + step, ... below end of a block, as (run, k): without a division an element.
struct Walk {
    std::int64_t e, end, run, k;
    constexpr Walk(const Geometry& g, std::int64_t begin, std::int64_t end_, std::int64_t step)
        : e(begin), end(end_), run(begin / g.len), k(begin % g.len), step_(step), len_(g.len), runs_(step / g.len),
          rest_(step % g.len) {}
    constexpr bool inside() const { return e < end; }
    constexpr void next() {
        e += step_, run += runs_, k += rest_;
        if (k >= len_) k -= len_, ++run;
    }

private:
    std::int64_t step_, len_, runs_, rest_;
};

/// Task of a slab: elements [begin, end) of block b.
struct SlabTask {
    std::int64_t b, partial, begin, end;
};
constexpr SlabTask slab_task(const Blocks& s, std::int64_t task) {
    const Geometry& g = s.geometry;
    const std::int64_t b = task / s.launch.splits, split = task % s.launch.splits, begin = split * s.launch.part;
    const std::int64_t end = begin + s.launch.part, m = g.runs * g.len;
    return {b, (b / g.inner * s.launch.splits + split) * s.launch.width + b % g.inner, begin, end < m ? end : m};
}

/// Task of a column launch for its column `lane`: element j of runs [begin, end) of outer index o; nothing to do where
/// j >= width.
struct ColumnTask {
    std::int64_t o, j, partial, begin, end;
};
constexpr ColumnTask column_task(const Blocks& c, std::int64_t task, int lane) {
    const Launch& l = c.launch;
    const std::int64_t tiles = (l.width + columns - 1) / columns, j = task % tiles * columns + lane;
    const std::int64_t split = task / tiles % l.splits, o = task / tiles / l.splits;
    const std::int64_t begin = split * l.part, end = begin + l.part;
    return {o, j, (o * l.splits + split) * l.width + j, begin, end < c.geometry.runs ? end : c.geometry.runs};
}

/// The block whose statistics normalise an element of a dense tensor, from its channel c and its number p = n * S + s
/// in the channel.
struct StatisticRule {
    std::int64_t positions = 1;  ///< S
    /// samples of a slice (1: a sample is its own), blocks from one to the next
    std::int64_t samples = 1, sample_step = 0;
    std::int64_t channels = 1, channel_step = 0, position_step = 0;
    constexpr std::int64_t block(std::int64_t c, std::int64_t p) const {
        return p / positions / samples * sample_step + c / channels * channel_step + p % positions * position_step;
    }
};
StatisticRule statistic_rule(const Problem& problem);

}  // namespace normlab::cuda
