// Which tensors repeat which tiles.

#include "verify/checks/tiled_cases.hpp"

#include <cmath>

#include "norms/variants.hpp"
#include "verify/checks/sizes.hpp"

namespace normlab::verify {
namespace {

// What is right up to some size: rows, channels and positions beyond 65536, 2^21 elements, a block of 2^24 + 1. Tiles
// have odd periods: what wraps at a power of two lands on other numbers.
template <class Add>
void add_sizes(const Case& base, Add add) {
    const bool f32 = base.dtype == DType::f32, last = base.layout == Layout::channels_last;
    if (!f32 && last != (base.dtype == DType::f16)) return;            // each dtype in one layout, f32 in both
    if (base.implementation == "reference" && (!f32 || last)) return;  // it is slow, and the same code for all
    const Spec spec = base.spec();
    // ours: the kernels of instance, rms and batch norm, with another number to divide by
    const bool alike = !spec.plain() || (spec.by_channel() && !spec.centred() && !is_weights(spec));
    if (alike && !is_others(base)) return;
    const bool four = spec.moments == Moments::norm && base.dtype == DType::f64;  // 4^j repeats
    const std::int64_t beyond = four ? 5 << 14 : 7 * 9363, period = four ? 5 : 7;
    add({period, 3, 2}, {beyond, 3, 2});
    add({3, 21, 2}, {3, 21 * 3121, 2});
    add({2, 3, period}, {2, 3, beyond});
    if (base.mode == Mode::eval) return;
    if (four) add({3, 21, 33}, {3 << 10, 21, 33});
    else add({3, 33, 31}, {2055, 33, 31});
    // of the reference this takes 2 s
    if (!f32 || last || base.implementation == "reference") return;
    add({1, 3, 8209}, {67, 3, 8209});  // many blocks, each of them long
    // samples beyond 2^20, rows beyond 2^23 and beyond what a grid has of them
    if (is_others(base)) add({7, 1, 11}, {7 * 150001, 1, 11});
    // beyond 2^24 there are rows at odd offsets
    if (spec.block.channels && is_others(base)) add({1, 4099, 1}, {4099, 4099, 1});
    else if (spec.by_channel() && is_others(base)) add({1, 1, 4099}, {241, 17, 4099});
    if (!spec.block.positions) add({1, 9 * 43, 1}, {1, (1 << 21) + 1, 1});  // it has as many parameters
    // who counts in float stops at 2^24: of others' blocks half as many more, so that the mean shows it
    else if (spec.block.channels) add({1, 97, 257}, {1, 97, 257 * (is_others(base) ? 1009 : 673)});
    else add({1, 1, 673}, {1, 1, is_others(base) ? 673 * 37373 : (1 << 24) + 1});
}

}  // namespace

Case tile_of(const Case& c) {
    Case t = c;
    t.tile.reset();
    t.shape = *c.tile;
    const Spec spec = c.spec();
    if (spec.groups > 1) t.groups = t.shape.C / (c.shape.C / spec.groups);
    return t;
}

std::string tiled_refuses(const Case& c) {
    if (!c.tile) return "it repeats a tile: tile=NxCxS is needed";
    if (c.stat_batch) return "its statistics are those of the whole batch";
    if (const std::string reason = needs_one_a_channel(c); !reason.empty()) return reason;
    if (c.spec().divisor != Divisor::own)
        return "a variance over another number than the block's grows with the tensor";
    if (c.spec().is_partial()) return "the first elements of a tensor are not those of its tile, repeated";
    if (c.gamma_offset && c.spec().moments == Moments::norm)
        return "the norm of a tensor grows with it, and gamma less";
    const Shape &big = c.shape, &small = *c.tile;
    const auto divides = [](std::int64_t part, std::int64_t whole) { return part > 0 && whole % part == 0; };
    if (!divides(small.N, big.N) || !divides(small.C, big.C) || !divides(small.S, big.S))
        return "the tile does not divide the shape";
    if (const std::int64_t groups = c.spec().groups;
        groups > 1 && (!divides(groups, big.C) || !divides(big.C / groups, small.C)))
        return "the tile's channels do not make whole groups";
    if (const auto p = c.problem(); c.spec().moments == Moments::norm) {
        const double root =
            std::sqrt(static_cast<double>(p.block_size()) / static_cast<double>(tile_of(c).problem().block_size()));
        // in f64 a rounding of the root would count
        if (c.dtype == DType::f64 && std::exp2(std::round(std::log2(root))) != root)
            return "the norm of a tensor grows with it: 4^j repeats keep it exact";
    }
    return {};
}

std::vector<Case> tiled_cases(const Case& base, Tier tier) {
    std::vector<Case> cases;
    const auto add = [&](const Shape& tile, const Shape& shape) {
        Case c = base;
        c.tile = tile, c.shape = shape;
        if (c.spec().groups > 1) c.groups = shape.C % 3 ? 1 : shape.C / 3;  // groups of three channels
        cases.push_back(c);
    };
    add({4, 6, 4}, {16, 6, 16});
    if (tier == Tier::smoke) return cases;
    add({4, 6, 1}, {16, 66, 1});
    add({2, 3, 17}, {32, 3, 68});
    if (base.dtype == DType::f32) add({4, 6, 4}, {64, 6, 256});  // several threads take part, in State too
    if (!repeats_training(base)) add_sizes(base, add);
    if (tier == Tier::full) add({4, 6, 64}, {256, 6, 4096});
    return cases;
}

}  // namespace normlab::verify
