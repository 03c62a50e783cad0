#pragma once
// The two passes of the column kernel: statistics or sums of every column, then the elements, row by row.

#include "norms/cpu/column.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

/// Runs f(o) for every outer index, f(o, column j, block, channel of the column's gamma) helpers below.
template <class F>
void for_columns_of(const Setup& s, std::int64_t o, const F& f) {
    for (std::int64_t i = 0; i < s.g.inner; ++i)
        for (std::int64_t k = 0; k < s.g.len; ++k)
            f(o * s.width() + i * s.g.len + k, o * s.g.inner + i, s.channel_is_row() ? -1 : s.rule.channel(i, 0, k));
}

/// The elements. Each row: `vector(k, some, column arrays)` for all columns, and `scalar` for the wide ones, whose results replace the vector's.
template <class A, class T, class Vector, class Scalar>
void column_rows(const ColumnTask& task, std::int64_t stride, T* out, const unsigned char* wide, const Vector& vector, const Scalar& scalar) {
    std::vector<std::int64_t> wide_columns;
    for (std::int64_t j = 0; j < task.columns; ++j)
        if (wide[j]) wide_columns.push_back(j);
    std::vector<double> kept(wide_columns.size());
    for (std::int64_t r = task.first_row; r < task.last_row; ++r) {
        const std::int64_t at = task.offset + r * stride;
        for (std::size_t w = 0; w < kept.size(); ++w) kept[w] = scalar(r, wide_columns[w], at + wide_columns[w]);   // before their input is overwritten
        for_groups(task.columns, [&](std::int64_t j, auto some) { store<A>(out + at + j, vector(r, j, at + j, some), some); });
        for (std::size_t w = 0; w < kept.size(); ++w) {
            store<double>(out + at + wide_columns[w], D8(kept[w]), 1);
        }
    }
}

template <class T>
double element(const T* p, std::int64_t i) {
    return load<double>(p + i, 1).low[0];
}

template <class T>
void column_statistics(const Setup& s, const ForwardArgs& args, ColumnArrays& arrays, [[maybe_unused]] int threads) {
    const bool centred = s.problem.spec.centred();
    const std::int64_t slices = s.row_slices(), width = s.width();
    if (!s.own) {
        for (std::int64_t c = 0; c < s.problem.shape.C; ++c) given_statistics(s.problem.spec, args.state, c, args.saved);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t index = 0; index < ColumnTask::count(s); ++index) {
        const ColumnTask t(s, index);
        const TileMoments m = tile_moments(static_cast<const T*>(args.x.data) + t.offset, s.g.run_stride, t.first_row, t.last_row, t.columns, centred);
        const std::int64_t to = (t.o * slices + t.slice) * width + t.first_column;
        for_columns(t.columns, [&](std::int64_t v, std::int64_t j, auto some) {
            store<double>(arrays.first + to + j, m.mean.lanes[v], some);
            store<double>(arrays.second + to + j, m.m2.lanes[v], some);
        });
    }
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t block = 0; block < s.blocks(); ++block) {
        const std::int64_t o = block / s.g.inner, i = block % s.g.inner;
        const Moments2 moments = pairwise(0, s.g.len, [&](std::int64_t k) {
            return pairwise(0, slices, [&](std::int64_t slice) {
                const std::int64_t at = (o * slices + slice) * width + i * s.g.len + k;
                return Moments2{static_cast<double>(s.first_row(slice + 1) - s.first_row(slice)), arrays.first[at], arrays.second[at]};
            });
        });
        own_statistics(s, moments, block, args.saved);
    }
    if (s.problem.has_correction()) renorm_factors(s.problem, args.state, args.saved.mean, args.saved.var, args.saved.r, args.saved.d);
}

template <class T>
void forward_columns(const Setup& s, const ForwardArgs& args, [[maybe_unused]] int threads) {
    using A = ArithmeticOf<T>;
    using P = ParamOf<T>;
    const auto* gamma = static_cast<const P*>(args.affine.gamma);
    const auto* beta = static_cast<const P*>(args.affine.beta);
    const auto* x = static_cast<const T*>(args.x.data);
    ColumnArrays arrays(s, args.workspace);
    column_statistics<T>(s, args, arrays, threads);
    const std::int64_t columns = s.g.outer * s.width();
    A* const hi = reinterpret_cast<A*>(arrays.coefficients);
    A *const lo = hi + columns, *const factor = lo + columns, *const shift = factor + columns;
    const auto terms_of = [&](std::int64_t block, std::int64_t channel) {   // channel -1: gamma and beta come with the row
        return ForwardTerms(saved_statistics(args.saved, block), channel < 0 ? 1 : entry(gamma, channel, 1), channel < 0 ? 0 : entry(beta, channel, 0));
    };
    for (std::int64_t o = 0; o < s.g.outer; ++o)
        for_columns_of(s, o, [&](std::int64_t j, std::int64_t block, std::int64_t channel) {
            const ForwardTerms terms = terms_of(block, channel);
            const auto c = terms.template as<A>();
            arrays.wide[j] = !terms.template fit<A>();
            hi[j] = c.hi, lo[j] = c.lo, factor[j] = c.factor, shift[j] = c.shift;
        });
    const bool by_row = s.channel_is_row();
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t index = 0; index < ColumnTask::count(s); ++index) {
        const ColumnTask t(s, index);
        const std::int64_t first = t.o * s.width() + t.first_column;
        const auto vector = [&](std::int64_t r, std::int64_t j, std::int64_t at, auto some) {
            const std::int64_t k = first + j;
            const Lanes<A> v = ((load<A>(x + at, some) - load<A>(hi + k, some)) - load<A>(lo + k, some)) * load<A>(factor + k, some);
            return by_row ? v * static_cast<A>(entry(gamma, r, 1)) + static_cast<A>(entry(beta, r, 0)) : v + load<A>(shift + k, some);
        };
        const auto scalar = [&](std::int64_t r, std::int64_t j, std::int64_t at) {
            const std::int64_t i = (t.first_column + j) / s.g.len, k = (t.first_column + j) % s.g.len;
            const ForwardTerms terms = terms_of(t.o * s.g.inner + i, by_row ? -1 : s.rule.channel(i, 0, k));
            const double v = (element(x, at) - terms.mean) * terms.factor + terms.shift;
            return by_row ? v * entry(gamma, r, 1) + entry(beta, r, 0) : v;
        };
        column_rows<A>(t, s.g.run_stride, static_cast<T*>(args.y.data), arrays.wide + first, vector, scalar);
    }
}

/// dgamma and dbeta from the columns' (or rows') sums.
template <class T>
void column_parameters(const Setup& s, const BackwardArgs& args, const ColumnArrays& arrays) {
    const std::int64_t C = s.problem.shape.C, width = s.width();
    double *dgamma = arrays.channel_sums, *dbeta = dgamma + C;
    std::fill_n(dgamma, 2 * C, 0.0);
    if (s.channel_is_row()) {
        for (std::int64_t c = 0; c < C; ++c) {
            const Sums sums = pairwise(0, s.g.outer * s.tiles(), [&](std::int64_t set) {
                const double* of_row = arrays.row_sums + (set * s.g.runs + c) * 2;
                return Sums{of_row[1], of_row[0]};
            });
            dgamma[c] = sums.gx, dbeta[c] = sums.g;
        }
    } else {
        for_columns_of(s, 0, [&](std::int64_t j, std::int64_t, std::int64_t c) {   // j: the column's place in every outer index
            const Sums sums = pairwise(0, s.g.outer, [&](std::int64_t o) {
                const Statistics statistics = saved_statistics(args.saved, o * s.g.inner + j / s.g.len);
                const double g = arrays.first[o * width + j], gx = arrays.second[o * width + j];
                return Sums{g, gx * statistics.rstd * statistics.r + statistics.d * g};
            });
            dgamma[c] += sums.gx, dbeta[c] += sums.g;
        });
    }
    store_channels<T>(dgamma, args.gradients.dgamma, C);
    store_channels<T>(dbeta, args.gradients.dbeta, C);
}

template <class T>
void backward_columns(const Setup& s, const BackwardArgs& args, [[maybe_unused]] int threads) {
    using A = ArithmeticOf<T>;
    using P = ParamOf<T>;
    const auto* gamma = static_cast<const P*>(args.affine.gamma);
    const auto* x = static_cast<const T*>(args.x.data);
    const auto* dy = static_cast<const T*>(args.dy.data);
    const std::int64_t slices = s.row_slices(), width = s.width(), columns = s.g.outer * width;
    const bool by_row = s.channel_is_row(), centred = s.problem.spec.centred();
    ColumnArrays arrays(s, args.workspace);
    for (std::int64_t o = 0; o < s.g.outer; ++o)
        for_columns_of(s, o, [&](std::int64_t j, std::int64_t block, std::int64_t) {
            const Statistics statistics = saved_statistics(args.saved, block);
            arrays.mean[j] = statistics.mean, arrays.x_hat_factor[j] = statistics.rstd * statistics.r;
        });
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t index = 0; index < ColumnTask::count(s); ++index) {
        const ColumnTask t(s, index);
        const std::int64_t column = t.o * width + t.first_column, to = (t.o * slices + t.slice) * width + t.first_column;
        double* row_sums = by_row ? arrays.row_sums + (t.o * s.tiles() + t.first_column / Setup::tile) * s.g.runs * 2 : nullptr;
        const TileSums sums = tile_sums(x + t.offset, dy + t.offset, s.g.run_stride, t.first_row, t.last_row, t.columns, arrays.mean + column,
                                        arrays.x_hat_factor + column, by_row ? gamma : nullptr, row_sums);
        for_columns(t.columns, [&](std::int64_t v, std::int64_t j, auto some) {
            store<double>(arrays.first + to + j, sums.g.lanes[v], some);
            store<double>(arrays.second + to + j, sums.gx.lanes[v], some);
        });
    }
    for (double* sums : {arrays.first, arrays.second})   // [outer][slices][width] becomes [outer][width]
        for (std::int64_t o = 0; o < s.g.outer && slices > 1; ++o) {
            add_rows(sums + o * slices * width, slices, width);
            std::copy_n(sums + o * slices * width, width, sums + o * width);
        }
    column_parameters<T>(s, args, arrays);
    auto* dx = static_cast<T*>(args.gradients.dx.data);
    if (!dx) return;

    A* const hi = reinterpret_cast<A*>(arrays.coefficients);
    A *const lo = hi + columns, *const factor = lo + columns, *const offset = factor + columns, *const slope = offset + columns;
    const auto terms_of = [&](std::int64_t block, std::int64_t channel) {
        const std::int64_t first = block / s.g.inner * width + block % s.g.inner * s.g.len;
        const Sums sums = !s.own ? Sums{} : pairwise(0, s.g.len, [&](std::int64_t k) {
            const double scale = by_row ? 1 : entry(gamma, s.rule.channel(block % s.g.inner, 0, k), 1);
            return Sums{scale * arrays.first[first + k], scale * arrays.second[first + k]};
        });
        return BackwardTerms(saved_statistics(args.saved, block), channel < 0 ? 1 : entry(gamma, channel, 1), sums, s.m, s.q, centred);
    };
    for (std::int64_t o = 0; o < s.g.outer; ++o)
        for_columns_of(s, o, [&](std::int64_t j, std::int64_t block, std::int64_t channel) {
            const BackwardTerms terms = terms_of(block, channel);
            const auto c = terms.template as<A>();
            arrays.wide[j] = !terms.template fit<A>();
            hi[j] = c.hi, lo[j] = c.lo, factor[j] = c.factor, offset[j] = c.offset, slope[j] = c.slope;
        });
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t index = 0; index < ColumnTask::count(s); ++index) {
        const ColumnTask t(s, index);
        const std::int64_t first = t.o * width + t.first_column;
        const auto vector = [&](std::int64_t r, std::int64_t j, std::int64_t at, auto some) {
            const std::int64_t k = first + j;
            Lanes<A> g = load<A>(dy + at, some);
            if (by_row) g = g * static_cast<A>(entry(gamma, r, 1));
            return g * load<A>(factor + k, some) -
                   (load<A>(offset + k, some) + ((load<A>(x + at, some) - load<A>(hi + k, some)) - load<A>(lo + k, some)) * load<A>(slope + k, some));
        };
        const auto scalar = [&](std::int64_t r, std::int64_t j, std::int64_t at) {
            const std::int64_t i = (t.first_column + j) / s.g.len, k = (t.first_column + j) % s.g.len;
            const BackwardTerms terms = terms_of(t.o * s.g.inner + i, by_row ? -1 : s.rule.channel(i, 0, k));
            return element(dy, at) * (by_row ? entry(gamma, r, 1) : 1) * terms.factor - (terms.offset + (element(x, at) - terms.mean) * terms.slope);
        };
        column_rows<A>(t, s.g.run_stride, dx, arrays.wide + first, vector, scalar);
    }
}

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
