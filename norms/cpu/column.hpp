#pragma once
// Column: short runs. The blocks of one outer index lie side by side, so a row (run r of all of them) is contiguous:
// statistics are taken column by column, eight at a time, and the `len` columns of a block are merged. Tasks are (outer
// index, slice of rows, tile of columns), cut by size alone.

#include <vector>

#include "norms/cpu/blocks.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

/// One value a column of a tile, as lanes.
struct Tile {
    D8 lanes[Setup::tile / lane_count];
};
struct TileMoments {
    double n = 0;
    Tile mean, m2;
};
struct TileSums {
    Tile g, gx;
};

/// f(lanes of the tile, offset in the row, how many) for every group of columns of the tile.
template <class F>
NORMLAB_INLINE void for_columns(std::int64_t columns, F f) {
    for_groups(columns, [&](std::int64_t j, auto some) { f(j / lane_count, j, some); });
}

/// As operator+ of Moments2, a tile at once.
inline TileMoments operator+(const TileMoments& a, const TileMoments& b) {
    TileMoments out{a.n + b.n, {}, {}};
    const double share = b.n / out.n, weight = a.n * share;
    for (std::size_t v = 0; v < std::size(out.mean.lanes); ++v) {
        const D8 delta = b.mean.lanes[v] - a.mean.lanes[v];
        out.mean.lanes[v] = a.mean.lanes[v] + delta * share;
        out.m2.lanes[v] = a.m2.lanes[v] + b.m2.lanes[v] + delta * delta * weight;
    }
    return out;
}
inline TileSums operator+(const TileSums& a, const TileSums& b) {
    TileSums out;
    for (std::size_t v = 0; v < std::size(out.g.lanes); ++v) {
        out.g.lanes[v] = a.g.lanes[v] + b.g.lanes[v];
        out.gx.lanes[v] = a.gx.lanes[v] + b.gx.lanes[v];
    }
    return out;
}

/// Rows first to last in chunks, merged pairwise.
template <class F>
auto by_row_chunks(std::int64_t first, std::int64_t last, const F& leaf) {
    const std::int64_t chunks = (last - first + Setup::chunk_rows - 1) / Setup::chunk_rows;
    return pairwise(0, chunks, [&](std::int64_t i) {
        const std::int64_t row = first + i * Setup::chunk_rows;
        return leaf(row, std::min(last, row + Setup::chunk_rows));
    });
}

/// x points to row 0 of the tile.
template <class T>
TileMoments tile_moments(const T* x, std::int64_t stride, std::int64_t first, std::int64_t last, std::int64_t columns,
                         bool centred) {
    return by_row_chunks(first, last, [=](std::int64_t begin, std::int64_t end) {
        TileMoments out{static_cast<double>(end - begin), {}, {}};
        for_columns(columns, [&](std::int64_t v, std::int64_t j, auto some) {
            D8 mean{}, m2{}, rest{};
            if (centred) {
                const D8 pivot = load<double>(x + begin * stride + j, some);  // equal elements have no variance
                for (std::int64_t r = begin; r < end; ++r) mean += load<double>(x + r * stride + j, some) - pivot;
                mean = pivot + mean / out.n;
            }
            for (std::int64_t r = begin; r < end; ++r) {
                const D8 d = load<double>(x + r * stride + j, some) - mean;
                m2 += d * d;
                if constexpr (std::is_same_v<T, double>) rest += d;
            }
            if constexpr (std::is_same_v<T, double>)
                if (centred) mean += rest / out.n;  // as run_moments does
            out.mean.lanes[v] = mean, out.m2.lanes[v] = m2;
        });
        return out;
    });
}

/// Sums of g = gamma dy and g (x - mean); gamma by row, or null: 1. Where there is a gamma by row, row_sums [2 rows]
/// gets the row's sums of dy (x_hat) and dy.
template <class T, class G, class P>
TileSums tile_sums(const T* x, const G* dy, std::int64_t stride, std::int64_t first, std::int64_t last,
                   std::int64_t columns, const double* mean, const double* x_hat_factor, const P* gamma,
                   double* row_sums) {
    return by_row_chunks(first, last, [=](std::int64_t begin, std::int64_t end) {
        TileSums out;
        D8 x_hats[Setup::chunk_rows]{}, dys[Setup::chunk_rows]{};
        for_columns(columns, [&](std::int64_t v, std::int64_t j, auto some) {
            const D8 centre = load<double>(mean + j, some),
                     factor = row_sums ? load<double>(x_hat_factor + j, some) : D8{};
            D8 g{}, gx{};
            for (std::int64_t r = begin; r < end; ++r) {
                const D8 w = load<double>(dy + r * stride + j, some),
                         wx = w * (load<double>(x + r * stride + j, some) - centre);
                const double scale = entry(gamma, r, 1);
                g += w * scale;
                gx += wx * scale;
                if (row_sums) x_hats[r - begin] += wx * factor, dys[r - begin] += w;
            }
            out.g.lanes[v] = g, out.gx.lanes[v] = gx;
        });
        if (row_sums)
            for (std::int64_t r = begin; r < end; ++r)
                row_sums[2 * r] = sum(x_hats[r - begin]), row_sums[2 * r + 1] = sum(dys[r - begin]);
        return out;
    });
}

/// What a task of the column kernel works on: rows first_row to last_row, `stride` apart, of the tile whose row 0 is at
/// `offset`.
struct ColumnTask {
    ColumnTask(const Setup& s, std::int64_t index)
        : o(index / (s.parts() * s.tiles())), part(index / s.tiles() % s.parts()),
          left_over(part == s.slices_of_rows()), first_column(index % s.tiles() * Setup::tile),
          columns(std::min(Setup::tile, (left_over ? s.width() : s.columns()) - first_column)),
          first_row(left_over ? 0 : s.first_row(part)),
          last_row(left_over ? s.rows_left_over() : s.first_row(part + 1)),
          stride(left_over ? s.g.run_stride : s.g.run_stride * s.fold()),
          offset(o * s.g.outer_stride + first_column + (left_over ? s.rows() * s.fold() * s.g.run_stride : 0)) {}
    static std::int64_t count(const Setup& s) { return s.g.outer * s.parts() * s.tiles(); }

    std::int64_t o, part;
    bool left_over;
    std::int64_t first_column, columns, first_row, last_row, stride, offset;
};

/// Workspace. Partial results are [outer][parts][columns]; what a column is computed with is [outer][columns].
template <class A>
struct ColumnArrays {
    ColumnArrays(const Setup& s, void* workspace) : arena(workspace) {
        const std::int64_t columns = s.g.outer * s.columns();
        first = arena.take<double>(columns * s.parts());
        second = arena.take<double>(columns * s.parts());
        mean = arena.take<double>(columns);
        if (s.channel_is_row()) {
            x_hat_factor = arena.take<double>(columns);
            row_sums = arena.take<double>(s.g.outer * s.tiles() * s.g.runs * 2);
        }
        for (A*& c : coefficients) c = arena.take<A>(columns);
        wide = arena.take<unsigned char>(columns);
        channel_sums = arena.take<double>(2 * s.problem.shape.C);
    }
    Arena arena;
    double *first, *second;                 ///< means and squares, or sums of g and g (x - mean)
    double *mean, *x_hat_factor = nullptr;  ///< backward: a column's mean and, where channels are rows, r rstd
    double* row_sums = nullptr;             ///< [outer][tile][row][2]
    A* coefficients[5];                     ///< hi, lo, factor and shift, or offset and slope
    unsigned char* wide;                    ///< columns to be computed in f64
    double* channel_sums;                   ///< dgamma, dbeta
};

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
