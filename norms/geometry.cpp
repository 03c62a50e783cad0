#include "norms/geometry.hpp"

#include <vector>

namespace normlab {
namespace {

struct Axis {
    std::int64_t count, stride;
    bool carries_channels = false;  // moving along it changes the channel
};

// Drops axes of one element and joins neighbours that one stride can walk. Outermost first.
std::vector<Axis> simplified(const std::vector<Axis>& axes) {
    std::vector<Axis> out;
    for (const Axis& a : axes) {
        if (a.count == 1) continue;
        if (!out.empty() && out.back().stride == a.count * a.stride) {
            out.back() = {out.back().count * a.count, a.stride, out.back().carries_channels || a.carries_channels};
        } else {
            out.push_back(a);
        }
    }
    return out;
}

}  // namespace

std::optional<BlockLayout> block_layout(const Spec& spec, const ConstTensor& x) {
    const auto [N, C, S] = x.shape;
    const Axes& block = spec.block;
    if (block.groups && !block.channels) return std::nullopt;
    // channels would repeat along the runs
    if (block.samples && block.channels && !block.positions && N > 1 && C > 1) return std::nullopt;
    const std::int64_t M = block.samples && spec.stat_batch ? spec.stat_batch : N;
    const std::int64_t D = C / spec.groups;

    const Axis slices{N / M, M * x.step_sample()}, samples{M, x.step_sample()};
    const Axis groups{spec.groups, D * x.step_channel(), true}, channels{D, x.step_channel(), true};
    const Axis positions{S, x.step_position()};

    std::vector<Axis> spanned;
    const auto span = [&](bool yes, const Axis& a) {
        if (yes) spanned.push_back(a);
    };
    span(block.samples, samples);
    if (x.layout == Layout::channels_last) span(block.positions, positions);
    span(block.groups, groups);
    span(block.channels, channels);
    if (x.layout == Layout::channels_first) span(block.positions, positions);
    spanned = simplified(spanned);

    BlockLayout out;
    Geometry& g = out.blocks;
    bool channels_in_run = false, channels_across_runs = false;
    if (!spanned.empty() && spanned.back().stride == 1) {
        g.len = spanned.back().count;
        channels_in_run = spanned.back().carries_channels;
        spanned.pop_back();
    }
    if (spanned.size() > 1) return std::nullopt;
    if (spanned.size() == 1) {
        g.runs = spanned[0].count;
        g.run_stride = spanned[0].stride;
        channels_across_runs = spanned[0].carries_channels;
    }

    const Axis& kept_samples = block.samples ? slices : samples;
    const std::int64_t kept_channels = block.channels ? (block.groups ? 1 : spec.groups) : C;
    const std::int64_t channel_step = block.channels ? D : 1;  // from one kept group or channel to the next
    const bool keeps_positions = !block.positions && S > 1;
    if (keeps_positions && kept_channels > 1) return std::nullopt;
    if (kept_samples.count > 1) g.outer = kept_samples.count, g.outer_stride = kept_samples.stride;
    if (kept_channels > 1) g.inner = kept_channels, g.inner_stride = channel_step * x.step_channel();
    if (keeps_positions) g.inner = S, g.inner_stride = x.step_position();

    ParamRule& p = out.params;
    if (kept_channels > 1) p.inner_step = channel_step;
    if (channels_across_runs) p.run_step = 1;
    if (channels_in_run) {
        p.divisor = x.step_channel();
        p.modulus = C / kept_channels;
    } else {
        p.divisor = g.len;
    }
    return out;
}

std::optional<BlockLayout> block_layout(const Problem& problem, const Gaps& gaps) {
    Spec spec = problem.spec;
    if (!problem.own_statistics()) spec.block = {.samples = true, .positions = true}, spec.stat_batch = 0;
    return block_layout(spec, problem.tensor(nullptr, problem.dtype, gaps));
}

Kernel kernel_for(const Geometry& blocks, DType dtype) {
    if (blocks.runs == 1) return Kernel::row;
    return blocks.len * static_cast<std::int64_t>(size_of(dtype)) >= 64 ? Kernel::slab : Kernel::column;
}

}  // namespace normlab
