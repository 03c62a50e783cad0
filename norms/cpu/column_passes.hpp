#pragma once
// The two passes of the column kernel: statistics or sums of every column, then the elements, row by row.

#include "norms/cpu/column.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

/// f(column of outer index o among its columns, block, channel) for every column; channel -1 where gamma and beta come
/// with the row.
template <class F>
void for_columns_of(const Setup& s, std::int64_t o, const F& f) {
    for (std::int64_t copy = 0; copy < s.fold(); ++copy)
        for (std::int64_t i = 0; i < s.g.inner; ++i)
            for (std::int64_t k = 0; k < s.g.len; ++k)
                f(copy * s.width() + i * s.g.len + k, o * s.g.inner + i,
                  s.channel_is_row() ? -1 : s.rule.channel(i, 0, k));
}

/// The elements of a task, all columns eight at a time; the wide ones once more in f64, by `scalar`, whose results
/// replace the others.
template <class A, class Out, class Terms, class Vector, class Scalar>
void column_rows(const Setup& s, const ColumnTask& task, const Out& out, const unsigned char* wide,
                 const Terms& terms_of, const Vector& vector, const Scalar& scalar) {
    struct Wide {
        std::int64_t column;
        decltype(terms_of(0, 0)) terms;
        double result;
    };
    std::vector<Wide> wide_columns;
    for (std::int64_t j = 0; j < task.columns; ++j)
        if (wide[j]) {
            const std::int64_t place = (task.first_column + j) % s.width(), i = place / s.g.len;
            wide_columns.push_back(
                {j, terms_of(task.o * s.g.inner + i, s.channel_is_row() ? -1 : s.rule.channel(i, 0, place % s.g.len)),
                 0});
        }
    for (std::int64_t r = task.first_row; r < task.last_row; ++r) {
        const std::int64_t at = task.offset + r * task.stride;
        for (Wide& w : wide_columns) w.result = scalar(r, at + w.column, w.terms);  // before its input is overwritten
        for_groups(task.columns,
                   [&](std::int64_t j, auto some) { out.template put<A>(at + j, vector(r, j, at + j, some), some); });
        for (const Wide& w : wide_columns) out.template put<double>(at + w.column, D8(w.result), std::int64_t{1});
    }
}

template <class A, class T>
void column_statistics(const Setup& s, const ForwardArgs& args, ColumnArrays<A>& arrays, [[maybe_unused]] int threads) {
    const bool centred = s.problem.spec.centred();
    const std::int64_t slices = s.slices_of_rows(), columns = s.columns(), fold = s.fold();
    if (!s.own) {
        for (std::int64_t c = 0; c < s.problem.shape.C; ++c)
            given_statistics(s.problem.spec, args.state, c, args.saved);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t index = 0; index < ColumnTask::count(s); ++index) {
        const ColumnTask t(s, index);
        const TileMoments m = tile_moments(static_cast<const T*>(args.x.data) + t.offset, t.stride, t.first_row,
                                           t.last_row, t.columns, centred);
        const std::int64_t to = (t.o * s.parts() + t.part) * columns + t.first_column;
        for_columns(t.columns, [&](std::int64_t v, std::int64_t j, auto some) {
            store<double>(arrays.first + to + j, m.mean.lanes[v], some);
            store<double>(arrays.second + to + j, m.m2.lanes[v], some);
        });
    }
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t block = 0; block < s.blocks(); ++block) {
        const std::int64_t o = block / s.g.inner, i = block % s.g.inner;
        const auto column = [&](std::int64_t part, std::int64_t j, std::int64_t rows) {
            const std::int64_t at = (o * s.parts() + part) * columns + j;
            return Moments2{static_cast<double>(rows), arrays.first[at], arrays.second[at]};
        };
        const Moments2 moments = pairwise(0, s.g.len, [&](std::int64_t k) {
            const std::int64_t j = i * s.g.len + k;
            const Moments2 m = pairwise(0, slices * fold, [&](std::int64_t n) {
                return column(n / fold, n % fold * s.width() + j, s.first_row(n / fold + 1) - s.first_row(n / fold));
            });
            return s.rows_left_over() ? m + column(slices, j, s.rows_left_over()) : m;
        });
        own_statistics(s, moments, block, args.saved);
    }
    if (s.problem.has_correction())
        renorm_factors(s.problem, args.state, args.saved.mean, args.saved.var, args.saved.r, args.saved.d);
}

/// The elements of all blocks, from x, gamma, beta and what is saved; args: of forward or backward.
template <class A, class T, class Args, class Out>
void elements_of_columns(const Setup& s, const Args& args, const ColumnArrays<A>& arrays, const Out& out,
                         [[maybe_unused]] int threads) {
    using P = ParamOf<T>;
    const auto* gamma = static_cast<const P*>(args.affine.gamma);
    const auto* beta = static_cast<const P*>(args.affine.beta);
    const auto* x = static_cast<const T*>(args.x.data);
    const auto terms_of = [&](std::int64_t block, std::int64_t channel) {
        return ForwardTerms(saved_statistics(args.saved, block), channel < 0 ? 1 : entry(gamma, channel, 1),
                            channel < 0 ? 0 : entry(beta, channel, 0));
    };
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t o = 0; o < s.g.outer; ++o)
        for_columns_of(s, o, [&](std::int64_t column, std::int64_t block, std::int64_t channel) {
            const ForwardTerms terms = terms_of(block, channel);
            const auto c = terms.template as<A>();
            const std::int64_t j = o * s.columns() + column;
            arrays.wide[j] = !terms.template fit<A>();
            const A values[] = {c.hi, c.lo, c.factor, c.shift};
            for (std::size_t n = 0; n < std::size(values); ++n) arrays.coefficients[n][j] = values[n];
        });
    const bool by_row = s.channel_is_row();
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t index = 0; index < ColumnTask::count(s); ++index) {
        const ColumnTask t(s, index);
        const std::int64_t first = t.o * s.columns() + t.first_column;
        const A *his = arrays.coefficients[0] + first, *los = arrays.coefficients[1] + first,
                *factors = arrays.coefficients[2] + first, *shifts = arrays.coefficients[3] + first;
        const auto vector = [&](std::int64_t r, std::int64_t j, std::int64_t at, auto some) {
            const Lanes<A> v = ((load<A>(x + at, some) - load<A>(his + j, some)) - load<A>(los + j, some)) *
                               load<A>(factors + j, some);
            return by_row ? v * static_cast<A>(entry(gamma, r, 1)) + static_cast<A>(entry(beta, r, 0))
                          : v + load<A>(shifts + j, some);
        };
        const auto scalar = [&](std::int64_t r, std::int64_t at, const ForwardTerms& terms) {
            const double v = (first_of(x + at) - terms.mean) * terms.factor + terms.shift;
            return by_row ? v * entry(gamma, r, 1) + entry(beta, r, 0) : v;
        };
        column_rows<A>(s, t, out, arrays.wide + first, terms_of, vector, scalar);
    }
}

template <class T, class Out>
void forward_columns(const Setup& s, const ForwardArgs& args, const Out& out, int threads) {
    using A = ArithmeticOf<T>;
    ColumnArrays<A> arrays(s, args.workspace);
    column_statistics<A, T>(s, args, arrays, threads);
    elements_of_columns<A, T>(s, args, arrays, out, threads);
}

/// dgamma and dbeta from the columns' (or rows') sums, [outer][width].
template <class A, class T>
void column_parameters(const Setup& s, const BackwardArgs& args, const ColumnArrays<A>& arrays) {
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
        for (std::int64_t j = 0; j < width; ++j) {
            const Sums sums = pairwise(0, s.g.outer, [&](std::int64_t o) {
                return parameter_share(saved_statistics(args.saved, o * s.g.inner + j / s.g.len),
                                       {arrays.first[o * width + j], arrays.second[o * width + j]});
            });
            const std::int64_t c = s.rule.channel(j / s.g.len, 0, j % s.g.len);
            dgamma[c] += sums.gx, dbeta[c] += sums.g;
        }
    }
    store_channels<T>(dgamma, args.gradients.dgamma, C);
    store_channels<T>(dbeta, args.gradients.dbeta, C);
}

/// Sums of every column, merged over parts and copies: arrays.first and second become [outer][width].
template <class A, class T, class G>
void column_sums(const Setup& s, const BackwardArgs& args, ColumnArrays<A>& arrays, [[maybe_unused]] int threads) {
    const std::int64_t parts = s.parts(), columns = s.columns(), width = s.width();
    const bool by_row = s.channel_is_row();
    const auto* gamma = by_row ? static_cast<const ParamOf<T>*>(args.affine.gamma) : nullptr;
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t o = 0; o < s.g.outer; ++o)
        for_columns_of(s, o, [&](std::int64_t j, std::int64_t block, std::int64_t) {
            const AppliedStatistics statistics = saved_statistics(args.saved, block);
            arrays.mean[o * columns + j] = statistics.mean;
            if (by_row) arrays.x_hat_factor[o * columns + j] = statistics.rstd * statistics.r;
        });
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t index = 0; index < ColumnTask::count(s); ++index) {
        const ColumnTask t(s, index);
        const std::int64_t column = t.o * columns + t.first_column,
                           to = (t.o * parts + t.part) * columns + t.first_column;
        double* row_sums =
            by_row ? arrays.row_sums + (t.o * s.tiles() + t.first_column / Setup::tile) * s.g.runs * 2 : nullptr;
        const TileSums sums =
            tile_sums(static_cast<const T*>(args.x.data) + t.offset, static_cast<const G*>(args.dy.data) + t.offset,
                      t.stride, t.first_row, t.last_row, t.columns, arrays.mean + column,
                      by_row ? arrays.x_hat_factor + column : nullptr, gamma, row_sums);
        if (t.left_over) std::fill_n(arrays.first + to, columns, 0.0), std::fill_n(arrays.second + to, columns, 0.0);
        for_columns(t.columns, [&](std::int64_t v, std::int64_t j, auto some) {
            store<double>(arrays.first + to + j, sums.g.lanes[v], some);
            store<double>(arrays.second + to + j, sums.gx.lanes[v], some);
        });
    }
    for (double* sums : {arrays.first, arrays.second})
        for (std::int64_t o = 0; o < s.g.outer; ++o) {
            double* own = sums + o * parts * columns;
            add_rows(own, parts, columns);
            add_rows(own, s.fold(), width);
            std::copy_n(own, width, sums + o * width);
        }
}

template <class T, class G>
void backward_columns(const Setup& s, const BackwardArgs& args, int threads) {
    using A = ArithmeticOf<T>;
    using P = ParamOf<T>;
    const auto* gamma = static_cast<const P*>(args.affine.gamma);
    const auto* x = static_cast<const T*>(args.x.data);
    const auto* dy = static_cast<const G*>(args.dy.data);
    const bool by_row = s.channel_is_row(), centred = s.problem.spec.centred();
    ColumnArrays<A> arrays(s, args.workspace);
    if (s.own || args.gradients.dgamma || args.gradients.dbeta) {
        column_sums<A, T, G>(s, args, arrays, threads);
        column_parameters<A, T>(s, args, arrays);
    }
    auto* dx = static_cast<T*>(args.gradients.dx.data);
    if (!dx) return;

    const auto terms_of = [&](std::int64_t block, std::int64_t channel) {
        const std::int64_t first = block / s.g.inner * s.width() + block % s.g.inner * s.g.len;
        const Sums sums = !s.own ? Sums{} : pairwise(0, s.g.len, [&](std::int64_t k) {
            const double scale = by_row ? 1 : entry(gamma, s.rule.channel(block % s.g.inner, 0, k), 1);
            return Sums{scale * arrays.first[first + k], scale * arrays.second[first + k]};
        });
        return BackwardTerms(dx_statistics(s, args.saved, block), channel < 0 ? 1 : entry(gamma, channel, 1),
                             dx_sums(s, args.saved, block, sums), s.m, s.q, centred);
    };
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t o = 0; o < s.g.outer; ++o)
        for_columns_of(s, o, [&](std::int64_t column, std::int64_t block, std::int64_t channel) {
            const BackwardTerms terms = terms_of(block, channel);
            const auto c = terms.template as<A>();
            const std::int64_t j = o * s.columns() + column;
            arrays.wide[j] = !terms.template fit<A>();
            const A values[] = {c.hi, c.lo, c.factor, c.offset, c.slope};
            for (std::size_t n = 0; n < std::size(values); ++n) arrays.coefficients[n][j] = values[n];
        });
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t index = 0; index < ColumnTask::count(s); ++index) {
        const ColumnTask t(s, index);
        const std::int64_t first = t.o * s.columns() + t.first_column;
        const A *his = arrays.coefficients[0] + first, *los = arrays.coefficients[1] + first,
                *factors = arrays.coefficients[2] + first, *offsets = arrays.coefficients[3] + first,
                *slopes = arrays.coefficients[4] + first;
        const auto vector = [&](std::int64_t r, std::int64_t j, std::int64_t at, auto some) {
            Lanes<A> g = load<A>(dy + at, some) * load<A>(factors + j, some);
            if (by_row) g = g * static_cast<A>(entry(gamma, r, 1));
            return g - (load<A>(offsets + j, some) +
                        ((load<A>(x + at, some) - load<A>(his + j, some)) - load<A>(los + j, some)) *
                            load<A>(slopes + j, some));
        };
        const auto scalar = [&](std::int64_t r, std::int64_t at, const BackwardTerms& terms) {
            return first_of(dy + at) * terms.factor * (by_row ? entry(gamma, r, 1) : 1) -
                   (terms.offset + (first_of(x + at) - terms.mean) * terms.slope);
        };
        column_rows<A>(s, t, AsItIs<T>{dx}, arrays.wide + first, terms_of, vector, scalar);
    }
}

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
