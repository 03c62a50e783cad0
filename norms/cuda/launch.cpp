#include "norms/cuda/launch.hpp"

#include <algorithm>

namespace normlab::cuda {
namespace {

std::int64_t ceiling(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0); }

// `count` things in at most most_splits parts of at least `least`.
void cut(Launch& l, std::int64_t count, std::int64_t least) {
    l.part = std::max(least, ceiling(count, most_splits));
    l.splits = ceiling(count, l.part);
}

}  // namespace

Launch launch_in_parts(const Geometry& g, DType dtype) {
    Launch l;
    l.kernel = g.len * static_cast<std::int64_t>(size_of(dtype)) >= 64 ? Kernel::slab : Kernel::column;
    if (l.kernel == Kernel::slab) {
        l.threads = l.team = 256;
        cut(l, g.runs * g.len, 8192);
        l.width = g.inner;
        l.tasks = g.outer * g.inner * l.splits;
    } else {
        l.threads = columns * column_rows;
        l.team = column_rows;
        cut(l, g.runs, 128);
        l.width = g.inner * g.len;
        l.per_block = g.len;
        l.tasks = g.outer * l.splits * ceiling(l.width, columns);
    }
    return l;
}

Launch launch_for(const Geometry& g, DType dtype) {
    if (kernel_for(g, dtype) != Kernel::row || g.len > longest_row) return launch_in_parts(g, dtype);
    Launch l;
    // A warp a row while that leaves it 16 elements a thread; longer rows get CTAs that keep it near that.
    l.team = g.len <= 512 ? 32 : g.len <= 2048 ? 128 : g.len <= 8192 ? 256 : 1024;
    l.threads = std::max(l.team, 128);
    l.width = g.inner;
    l.tasks = ceiling(g.outer * g.inner, l.threads / l.team);
    return l;
}

StatisticRule statistic_rule(const Problem& p) {
    const Axes& block = p.spec.block;
    StatisticRule rule;
    rule.positions = p.shape.S;
    if (!p.own_statistics()) {
        rule.channel_step = 1;
        return rule;
    }
    const bool keeps_channels = !block.channels || !block.groups;
    const std::int64_t kept = keeps_channels    ? (block.channels ? p.spec.groups : p.shape.C)
                              : block.positions ? 1
                                                : p.shape.S;
    rule.samples = block.samples ? p.samples_per_slice() : 1;
    rule.sample_step = kept;
    if (keeps_channels) rule.channels = block.channels ? p.channels_per_group() : 1, rule.channel_step = 1;
    else if (!block.positions) rule.position_step = 1;
    return rule;
}

}  // namespace normlab::cuda
