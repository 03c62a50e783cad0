// The seven integers against brute-force definitions of the axes.

#include <map>
#include <set>

#include "norms/geometry.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"

using namespace normlab;

namespace {

struct Place {
    std::int64_t n, c, s;
};

// Which block an element belongs to, from the words of the definition.
std::vector<std::int64_t> block_of(const Spec& spec, const Shape& shape, const Place& at) {
    const std::int64_t slice = spec.stat_batch ? spec.stat_batch : shape.N, D = shape.C / spec.groups;
    if (spec.block == Axes{.samples = true, .positions = true}) return {at.n / slice, at.c};
    if (spec.block == Axes{.groups = true, .channels = true, .positions = true}) return {at.n};
    if (spec.block == Axes{.groups = true, .channels = true}) return {at.n, at.s};
    if (spec.block == Axes{.channels = true, .positions = true}) return {at.n, at.c / D};
    if (spec.block == Axes{.positions = true}) return {at.n, at.c};
    throw Error("the test does not know this block");
}

void check_geometry(const Spec& spec, const ConstTensor& x) {
    const auto layout = block_layout(spec, x);
    REQUIRE(layout);
    std::map<std::int64_t, Place> at_offset;
    std::map<std::vector<std::int64_t>, std::set<std::int64_t>> expected;
    for (std::int64_t n = 0; n < x.shape.N; ++n)
        for (std::int64_t c = 0; c < x.shape.C; ++c)
            for (std::int64_t s = 0; s < x.shape.S; ++s) {
                at_offset[x.offset(n, c, s)] = {n, c, s};
                expected[block_of(spec, x.shape, {n, c, s})].insert(x.offset(n, c, s));
            }
    const Geometry& g = layout->blocks;
    CHECK(g.outer * g.inner == static_cast<std::int64_t>(expected.size()));
    auto next = expected.begin();  // sorted like (o, i): sample or slice first
    bool all_equal = true, channels_right = true;
    for (std::int64_t o = 0; o < g.outer; ++o)
        for (std::int64_t i = 0; i < g.inner; ++i, ++next) {
            std::set<std::int64_t> got;
            for (std::int64_t r = 0; r < g.runs; ++r)
                for (std::int64_t k = 0; k < g.len; ++k) {
                    const std::int64_t offset = o * g.outer_stride + i * g.inner_stride + r * g.run_stride + k;
                    got.insert(offset);
                    const auto place = at_offset.find(offset);
                    channels_right &= place != at_offset.end() && layout->params.channel(i, r, k) == place->second.c;
                }
            all_equal &= got == next->second && static_cast<std::int64_t>(got.size()) == g.runs * g.len;
        }
    CHECK(all_equal);
    CHECK(channels_right);
}

}  // namespace

TEST_CASE("the seven integers walk exactly the blocks of every variant, in order, and find each element's channel") {
    for (const Variant& v : variants)
        for (const Layout layout : {Layout::channels_first, Layout::channels_last})
            for (const Shape& shape : {Shape{3, 4, 5}, Shape{1, 4, 5}, Shape{3, 4, 1}, Shape{3, 1, 5}, Shape{1, 1, 1},
                                       Shape{4, 6, 7}, Shape{1, 6, 1}, Shape{2, 1, 1}})
                for (const std::int64_t groups : {1, 2, 3, 4, 6})
                    for (const std::int64_t gap : {0, 3}) {
                        Spec spec = v.make();
                        if (shape.C % groups != 0 || (groups != 1 && spec.groups == 1)) continue;
                        if (spec.groups != 1) spec.groups = groups;
                        ConstTensor x{nullptr, DType::f32, shape, layout};
                        if (gap) x.sample_stride = shape.C * shape.S + gap;
                        CAPTURE(v.name, shape.N, shape.C, shape.S, groups, gap, layout == Layout::channels_last);
                        if (gap && layout == Layout::channels_last && spec.block.samples && shape.N > 1 &&
                            shape.S > 1 && shape.C > 1) {
                            CHECK_FALSE(block_layout(spec, x));  // two strides where a run has one
                            continue;
                        }
                        check_geometry(spec, x);
                    }
}

TEST_CASE("a position stride is honoured where seven integers can say it") {
    ConstTensor x{nullptr, DType::f32, {3, 4, 5}, Layout::channels_last};
    x.position_stride = 6;
    for (const Variant& v : variants) {
        CAPTURE(v.name);
        check_geometry(v.make(), x);
    }
}

TEST_CASE("stat_batch fills the free outer digit of batch norm") {
    Spec spec = batch_norm();
    spec.stat_batch = 2;
    for (const Layout layout : {Layout::channels_first, Layout::channels_last})
        check_geometry(spec, {nullptr, DType::f32, {6, 3, 4}, layout});
    const auto g = block_layout(spec, {nullptr, DType::f32, {6, 3, 4}, Layout::channels_first})->blocks;
    CHECK(g == Geometry{3, 24, 3, 4, 2, 12, 4});
}

TEST_CASE("the rows of the design's table come out as written") {
    const std::int64_t N = 3, C = 6, S = 5, G = 2, D = 3;
    const auto rows = [&](const Spec& spec, Layout layout) {
        return block_layout(spec, {nullptr, DType::f32, {N, C, S}, layout})->blocks;
    };
    const auto first = Layout::channels_first, last = Layout::channels_last;
    CHECK(rows(batch_norm(), first) == Geometry{1, 0, C, S, N, C * S, S});
    CHECK(rows(instance_norm(), first) == Geometry{N, C * S, C, S, 1, 0, S});
    CHECK(rows(group_norm(G), first) == Geometry{N, C * S, G, D * S, 1, 0, D * S});
    CHECK(rows(layer_norm(), first) == Geometry{N, C * S, 1, 0, 1, 0, C * S});
    CHECK(rows(layer_norm(), last) == Geometry{N, C * S, 1, 0, 1, 0, C * S});
    CHECK(rows(batch_norm(), last) == Geometry{1, 0, C, 1, N * S, C, 1});
    CHECK(rows(instance_norm(), last) == Geometry{N, S * C, C, 1, S, C, 1});
    CHECK(rows(group_norm(G), last) == Geometry{N, S * C, G, D, S, C, D});
    CHECK(block_layout(weight_norm(), {nullptr, DType::f32, {1, C, S}, first})->blocks ==
          Geometry{1, 0, C, S, 1, 0, S});
}

TEST_CASE(
    "the blocks that the column kernel sees lie side by side, and the first run starts at element 0 of its plane") {
    for (const Variant& v : variants)
        for (const Layout layout : {Layout::channels_first, Layout::channels_last})
            for (const Mode mode : {Mode::train, Mode::eval})
                for (const Shape& shape : {Shape{3, 4, 5}, Shape{6, 4, 1}, Shape{1, 4, 2}, Shape{2, 32, 16},
                                           Shape{7, 1, 3}, Shape{2, 64, 40}})
                    for (const DType dtype : {DType::f64, DType::bf16}) {
                        if (shape.C % v.make().groups != 0) continue;
                        const auto blocks = block_layout(Problem{v.make(), shape, dtype, layout, mode});
                        REQUIRE(blocks);
                        const Geometry& g = blocks->blocks;
                        const Kernel kernel = kernel_for(g, dtype);
                        CAPTURE(v.name, shape.N, shape.C, shape.S, layout == Layout::channels_last, mode == Mode::eval);
                        if (kernel == Kernel::row) CHECK(g.runs == 1);
                        if (kernel == Kernel::slab) CHECK(g.len * static_cast<std::int64_t>(size_of(dtype)) >= 64);
                        if (kernel == Kernel::column) CHECK((g.inner == 1 || g.inner_stride == g.len));
                        CHECK(g.outer * g.inner == Problem{v.make(), shape, dtype, layout, mode}.statistics_count());
                    }
}
