// The launch plan of the CUDA kernels, on the host: every element is visited exactly once, within the device's limits,
// also where shapes are huge.

#include <limits>
#include <vector>

#include "norms/cuda/launch.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"

using namespace normlab;
using namespace normlab::cuda;

namespace {

constexpr std::int64_t big = std::int64_t{1} << 40;

// Calls visit(block, offset, number in block, channel) as the kernels do.
template <class Visit>
void walk(const Blocks& blocks, Visit visit) {
    const Geometry& g = blocks.geometry;
    const Launch& l = blocks.launch;
    // a small grid, so that CTAs have more than one task
    const std::int64_t grid = std::min<std::int64_t>(grid_for(l.tasks), 3);
    for (std::int64_t cta = 0; cta < grid; ++cta)
        for (int thread = 0; thread < l.threads; ++thread) {
            if (l.kernel == Kernel::row) {
                const RowTask t = row_task(l, cta, grid, thread);
                for (std::int64_t b = t.first; b < blocks.count(); b += t.step)
                    for (std::int64_t k = t.lane; k < g.len; k += l.team)
                        visit(b, blocks.base(b) + k, k, blocks.params.channel(b % g.inner, 0, k));
                continue;
            }
            for (std::int64_t task = cta; task < l.tasks; task += grid) {
                if (l.kernel == Kernel::slab) {
                    const SlabTask t = slab_task(blocks, task);
                    for (Walk at(g, t.begin + thread, t.end, l.threads); at.inside(); at.next())
                        visit(t.b, blocks.base(t.b) + at.run * g.run_stride + at.k, at.e,
                              blocks.params.channel(t.b % g.inner, at.run, at.k));
                } else {
                    const ColumnTask t = column_task(blocks, task, thread % columns);
                    if (t.j >= l.width) continue;
                    const std::int64_t i = t.j / g.len, k = t.j % g.len;
                    for (std::int64_t r = t.begin + thread / columns; r < t.end; r += column_rows)
                        visit(t.o * g.inner + i, t.o * g.outer_stride + t.j + r * g.run_stride, r * g.len + k,
                              blocks.params.channel(i, r, k));
                }
            }
        }
}

struct Visited {
    std::int64_t block = -1, number = -1, channel = -1;
    int times = 0;
};

std::vector<Visited> visits(const Blocks& blocks, std::int64_t size) {
    std::vector<Visited> seen(static_cast<std::size_t>(size));
    walk(blocks, [&](std::int64_t block, std::int64_t offset, std::int64_t number, std::int64_t channel) {
        REQUIRE((offset >= 0 && offset < size));
        Visited& v = seen[static_cast<std::size_t>(offset)];
        v = {block, number, channel, v.times + 1};
    });
    return seen;
}

void check_limits(const Geometry& g, const Launch& l) {
    CHECK(l.threads % 32 == 0);
    CHECK((l.threads >= 32 && l.threads <= 1024));
    CHECK(l.tasks >= 1);
    CHECK(grid_for(l.tasks) >= 1u);
    CHECK(grid_for(l.tasks) <= 0x7fffffffu);
    CHECK((l.splits >= 1 && l.splits <= most_splits));
    CHECK(l.width == g.inner * l.per_block);
    if (l.kernel == Kernel::row) {
        CHECK(l.threads % l.team == 0);
        CHECK((l.team == 32 || l.team == l.threads));  // what merge_team can merge
        return;
    }
    const std::int64_t cut = l.kernel == Kernel::slab ? g.runs * g.len : g.runs;
    CHECK(l.splits * l.part >= cut);
    CHECK((l.splits - 1) * l.part < cut);  // no part is empty
    CHECK(l.tasks >= g.outer * l.splits);
    CHECK(partials(g, l) < std::numeric_limits<std::int64_t>::max() / 24);
}

const Layout layouts[] = {Layout::channels_first, Layout::channels_last};

Blocks blocks_of(const Problem& p, bool in_parts) {
    const BlockLayout l = block_layout(p).value();
    return {l.blocks, l.params, in_parts ? launch_in_parts(l.blocks, p.dtype) : launch_for(l.blocks, p.dtype)};
}

const Shape shapes[] = {{3, 4, 5},  {1, 4, 5},   {3, 4, 1},    {2, 2, 17},   {1, 1, 1},     {2, 2, 601}, {1, 2, 2053},
                        {2, 66, 3}, {300, 2, 1}, {2, 6, 9000}, {131, 40, 2}, {1, 2, 70001}, {2, 8, 131}};

}  // namespace

TEST_CASE("every launch visits every element exactly once, in its own block and channel") {
    for (const Variant& v : variants)
        for (const Layout layout : layouts)
            for (const Shape& shape : shapes)
                for (const DType dtype : {DType::f64, DType::bf16})
                    for (const Mode mode : {Mode::train, Mode::eval})
                        for (const bool in_parts : {false, true}) {
                            const Problem p{v.make(), shape, dtype, layout, mode};
                            if (shape.C % p.spec.groups != 0) continue;
                            CAPTURE(v.name, shape.N, shape.C, shape.S, layout == Layout::channels_last,
                                    dtype == DType::f64, mode == Mode::eval, in_parts);
                            const Blocks blocks = blocks_of(p, in_parts);
                            check_limits(blocks.geometry, blocks.launch);
                            const std::vector<Visited> seen = visits(blocks, shape.size());
                            std::vector<std::int64_t> elements(static_cast<std::size_t>(blocks.count()));
                            bool once = true, channels_right = true;
                            for (std::int64_t n = 0; n < shape.N; ++n)
                                for (std::int64_t c = 0; c < shape.C; ++c)
                                    for (std::int64_t s = 0; s < shape.S; ++s) {
                                        const ConstTensor x{nullptr, dtype, shape, layout};
                                        const Visited& at = seen[static_cast<std::size_t>(x.offset(n, c, s))];
                                        once &= at.times == 1;
                                        channels_right &= at.channel == c;
                                        if (at.block >= 0) ++elements[static_cast<std::size_t>(at.block)];
                                    }
                            CHECK(once);
                            CHECK(channels_right);
                            CHECK(std::ranges::all_of(elements,
                                                      [&](std::int64_t count) { return count == elements[0]; }));
                        }
}

TEST_CASE("walked by channel, each element finds the block of its statistics") {
    for (const Variant& v : variants)
        for (const Layout layout : layouts)
            for (const Shape& shape : shapes)
                for (const std::int64_t slice : {0, 1}) {
                    Problem p{v.make(), shape, DType::f32, layout, Mode::train}, channels = p;
                    if (shape.C % p.spec.groups != 0 || (slice && !p.spec.block.samples)) continue;
                    p.spec.stat_batch = slice;
                    channels.spec.block = {.samples = true, .positions = true};
                    CAPTURE(v.name, shape.N, shape.C, shape.S, layout == Layout::channels_last, slice);
                    const std::vector<Visited> by_block = visits(blocks_of(p, false), shape.size()),
                                               by_channel = visits(blocks_of(channels, true), shape.size());
                    const StatisticRule rule = statistic_rule(p);
                    bool found = true;
                    for (std::size_t i = 0; i < by_block.size(); ++i)
                        found &= rule.block(by_channel[i].channel, by_channel[i].number) == by_block[i].block;
                    CHECK(found);
                }
}

TEST_CASE("launches of shapes beyond 2^31 elements stay within the device's limits") {
    for (const Variant& v : variants)
        for (const Layout layout : layouts)
            for (const Shape& shape :
                 {Shape{1, 2, big}, Shape{big, 2, 1}, Shape{1, big, 1}, Shape{1 << 20, 1 << 12, 1 << 8},
                  Shape{1 << 30, 64, 7}, Shape{big, 2, 33}, Shape{2, big, 3}})
                for (const DType dtype : {DType::f64, DType::f32, DType::f16}) {
                    const Problem p{v.make(), shape, dtype, layout, Mode::train};
                    CAPTURE(v.name, shape.N, shape.C, shape.S, layout == Layout::channels_last);
                    for (const bool in_parts : {false, true}) {
                        const Blocks blocks = blocks_of(p, in_parts);
                        check_limits(blocks.geometry, blocks.launch);
                        const Geometry& g = blocks.geometry;
                        std::int64_t last = 0;  // the last element of the last task is the last of the tensor
                        if (blocks.launch.kernel == Kernel::row) {
                            last = blocks.base(blocks.count() - 1) + g.len - 1;
                        } else if (blocks.launch.kernel == Kernel::slab) {
                            const SlabTask t = slab_task(blocks, blocks.launch.tasks - 1);
                            const Walk at(g, t.end - 1, t.end, 256);
                            last = blocks.base(t.b) + at.run * g.run_stride + at.k;
                        } else {
                            const ColumnTask t = column_task(blocks, blocks.launch.tasks - 1,
                                                             static_cast<int>((blocks.launch.width - 1) % columns));
                            last = t.o * g.outer_stride + t.j + (t.end - 1) * g.run_stride;
                            CHECK(t.partial == partials(g, blocks.launch) - 1);
                        }
                        CHECK(last == shape.size() - 1);
                    }
                }
}

TEST_CASE("how a block is cut does not depend on how many samples there are") {
    for (const Variant& v : variants) {
        const Spec spec = v.make();
        if (spec.block.samples) continue;
        for (const Layout layout : layouts)
            for (const Shape& one : {Shape{2, 4, 5}, Shape{2, 40, 3001}, Shape{2, 2, 100003}}) {
                Shape many = one;
                many.N = 50;
                const Launch a = blocks_of({spec, one, DType::f32, layout}, false).launch,
                             b = blocks_of({spec, many, DType::f32, layout}, false).launch;
                CAPTURE(v.name, one.C, one.S);
                CHECK(a.kernel == b.kernel);
                CHECK((a.team == b.team && a.splits == b.splits && a.part == b.part));
            }
    }
}
