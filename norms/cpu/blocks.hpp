#pragma once
// Row and slab: blocks of one or more long runs, a thread a block. A block is read for its statistics and, while it is
// in cache, for its results.

#include <type_traits>

#include "norms/cpu/run.hpp"
#include "norms/cpu/setup.hpp"
#include "norms/running_stats.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

template <class T>  // the precision that elements are computed in
using ArithmeticOf = ParamOf<T>;

/// Statistics of channel c from State, and what is saved of them.
inline AppliedStatistics given_statistics(const Spec& spec, const StateView& state, std::int64_t c,
                                          const SavedView& saved) {
    const bool sigma = spec.running == Running::sigma;
    const double s = running_sigma(spec, sigma ? state.sigma[c] : state.var[c]);
    saved.mean[c] = state.mean[c];
    saved.var[c] = sigma ? s * s - spec.eps : state.var[c];
    saved.rstd[c] = s == 0 ? 0 : 1 / s;
    return {saved.mean[c], saved.rstd[c]};
}

/// Statistics of a block from its moments, and what is saved of them.
inline AppliedStatistics own_statistics(const Setup& s, const Moments2& moments, std::int64_t block,
                                        const SavedView& saved) {
    const double var = moments.m2 / s.q, sigma = sigma_of(s.problem.spec, var);
    saved.mean[block] = moments.mean;
    saved.var[block] = var;
    saved.rstd[block] = sigma == 0 ? 0 : 1 / sigma;
    return {saved.mean[block], saved.rstd[block]};
}

/// The sums as they enter dx.
inline Sums dx_sums(const Setup& s, const ConstSavedView& saved, std::int64_t block, Sums sums) {
    if (!s.own) return {};
    sums.gx *= slope_of(s.problem.spec, saved.var[block]);
    return sums;
}

template <class View>
AppliedStatistics saved_statistics(const View& saved, std::int64_t block) {
    return {saved.mean[block], saved.rstd[block], saved.r ? saved.r[block] : 1, saved.d ? saved.d[block] : 0};
}

/// The same for dx, which is 0 where a block is one element and its mean is removed: exactly, and not the difference of
/// two roundings.
inline AppliedStatistics dx_statistics(const Setup& s, const ConstSavedView& saved, std::int64_t block) {
    AppliedStatistics out = saved_statistics(saved, block);
    if (s.own && s.m == 1 && s.problem.spec.centred()) out.rstd = 0;
    return out;
}

/// Elements of a run.
struct Part {
    std::int64_t first, count;
};

/// f(offset, count, channel, varies) for the stretches of a part of run r of block (., i) that one channel covers, or,
/// where channels change from element to element, for stretches of channels channel, channel + 1, ...
template <class F>
void for_stretches(const Setup& s, std::int64_t i, std::int64_t r, const Part& part, const F& f) {
    const ParamRule& rule = s.rule;
    if (rule.modulus == 1) return f(part.first, part.count, rule.channel(i, r, 0), false);
    const bool varies = rule.divisor == 1;
    const std::int64_t step = varies ? rule.modulus : rule.divisor, end = part.first + part.count;
    for (std::int64_t k = part.first, next = 0; k < end; k = next) {
        next = std::min(end, k / step * step + step);
        f(k, next - k, rule.channel(i, r, k), varies);
    }
}
template <class F>
void for_stretches(const Setup& s, std::int64_t i, std::int64_t r, const F& f) {
    for_stretches(s, i, r, {0, s.g.len}, f);
}

template <class P>
double entry(const P* values, std::int64_t c, double absent) {
    return values ? static_cast<double>(values[c]) : absent;
}

/// A part of run r of a block, from x, gamma and beta, to where `out` puts what begins at `start`; args: of forward or
/// backward.
template <class T, class Args, class Out>
void part_elements(const Setup& s, const Args& args, std::int64_t block, std::int64_t r, const Part& part,
                   std::int64_t start, const AppliedStatistics& statistics, const Out& out) {
    using A = ArithmeticOf<T>;
    using P = ParamOf<T>;
    const T* run = static_cast<const T*>(args.x.data) + s.start(s.g, block, r);
    const auto* gamma = static_cast<const P*>(args.affine.gamma);
    const auto* beta = static_cast<const P*>(args.affine.beta);
    const bool casts = s.problem.spec.casts();
    for_stretches(s, block % s.g.inner, r, part, [&](std::int64_t k, std::int64_t n, std::int64_t c, bool varies) {
        const std::int64_t at = start + k - part.first;
        const P *g = gamma ? gamma + c : nullptr, *b = beta ? beta + c : nullptr;
        if (casts) {
            const ForwardTerms terms(statistics, 1, 0);
            terms.template fit<A>() ? run_cast_forward<A>(run + k, at, n, terms, g, b, varies, out)
                                    : run_cast_forward<double>(run + k, at, n, terms, g, b, varies, out);
        } else if (varies) {
            const ForwardTerms terms(statistics, 1, 0);
            terms.template fit<A>() ? run_forward<A>(run + k, at, n, terms, g, b, out)
                                    : run_forward<double>(run + k, at, n, terms, g, b, out);
        } else {
            const ForwardTerms terms(statistics, entry(gamma, c, 1), entry(beta, c, 0));
            terms.template fit<A>() ? run_forward<A>(run + k, at, n, terms, out)
                                    : run_forward<double>(run + k, at, n, terms, out);
        }
    });
}

/// The elements of blocks, to where `out` puts them: what forward_blocks gives them to.
template <class T, class Out>
struct Elements {
    const Setup& s;
    Out out;

    template <class Args>
    void operator()(const Args& args, std::int64_t block, const AppliedStatistics& statistics) const {
        for (std::int64_t r = 0; r < s.g.runs; ++r)
            part_elements<T>(s, args, block, r, {0, s.g.len}, s.start(s.y, block, r), statistics, out);
    }
};

/// `put` of all blocks, from what is saved of them.
template <class Args, class Put>
void put_blocks(const Setup& s, const Args& args, const Put& put, [[maybe_unused]] int threads) {
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t block = 0; block < s.blocks(); ++block) put(args, block, saved_statistics(args.saved, block));
}

template <class T>
void block_sum(const Setup& s, const ForwardArgs& args, std::int64_t block) {
    for (std::int64_t r = 0; r < s.g.runs; ++r) {
        const std::int64_t start = s.start(s.g, block, r);
        run_sum<ArithmeticOf<T>>(static_cast<const T*>(args.x.data) + start,
                                 static_cast<const T*>(args.added.residual.data) + start,
                                 static_cast<T*>(args.added.s.data) + start, s.g.len);
    }
}

/// put(args, block, statistics) makes a block's y. With a residual a block's s is written first, and normalized while
/// it is in cache.
template <class T, class Put>
void forward_blocks(const Setup& s, const ForwardArgs& given, const Put& put, [[maybe_unused]] int threads) {
    const bool centred = s.problem.spec.centred(), corrected = s.problem.has_correction(), adds = s.problem.spec.adds();
    ForwardArgs args = given;
    if (adds) args.x = given.added.s;
    const auto* x = static_cast<const T*>(args.x.data);
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t block = 0; block < s.blocks(); ++block) {
        if (adds) block_sum<T>(s, given, block);
        if (s.own) {
            const Moments2 moments = pairwise(
                0, s.g.runs, [&](std::int64_t r) { return run_moments(x + s.start(s.g, block, r), s.g.len, centred); });
            const AppliedStatistics statistics = own_statistics(s, moments, block, args.saved);
            if (!corrected) put(args, block, statistics);
        } else {
            put(args, block, given_statistics(s.problem.spec, args.state, block, args.saved));
        }
    }
    if (!corrected) return;
    renorm_factors(s.problem, args.state, args.saved.mean, args.saved.var, args.saved.r, args.saved.d);
    put_blocks(s, args, put, threads);
}

/// One block's dx, and its share of dgamma and dbeta where one of them is asked for. With a residual x is s. G: of dy,
/// or of what stands for it.
template <class T, class G, class Out>
void block_backward(const Setup& s, const BackwardArgs& args, std::int64_t block, const ParameterSums& to,
                    const Out& out) {
    using A = ArithmeticOf<T>;
    using P = ParamOf<T>;
    const auto* gamma = static_cast<const P*>(args.affine.gamma);
    const auto* x = static_cast<const T*>(args.x.data);
    const auto* dy = static_cast<const G*>(args.dy.data);
    const AppliedStatistics statistics = saved_statistics(args.saved, block);
    const std::int64_t i = block % s.g.inner;
    const bool parameters = args.gradients.dgamma || args.gradients.dbeta, summed = s.own || parameters;
    const Sums sums = !summed ? Sums{} : pairwise(0, s.g.runs, [&](std::int64_t r) {
        const T* x_run = x + s.start(s.g, block, r);
        const G* dy_run = dy + s.start(s.dy, block, r);
        LongSums<T> of_run;
        for_stretches(s, i, r, [&](std::int64_t k, std::int64_t n, std::int64_t c, bool varies) {
            const T* at = x_run + k;
            const G* dy_at = dy_run + k;
            if (varies) {
                of_run.add(gamma ? run_sums(at, dy_at, n, statistics.mean, gamma + c)
                                 : run_sums(at, dy_at, n, statistics.mean));
                if (!parameters) return;
                add_parameter_sums(at, dy_at, n, statistics.mean, statistics.rstd * statistics.r,
                                   {to.dgamma + c, to.dbeta + c, to.dgamma_lost + c, to.dbeta_lost + c});
            } else {
                const Sums of = run_sums(at, dy_at, n, statistics.mean);
                const double scale = entry(gamma, c, 1);
                of_run.add({scale * of.g, scale * of.gx});
                if (!parameters) return;
                const Sums share = parameter_share(statistics, of);
                add_to<T>(to.dgamma + c, to.dgamma_lost + c, share.gx, std::int64_t{1});
                add_to<T>(to.dbeta + c, to.dbeta_lost + c, share.g, std::int64_t{1});
            }
        });
        return of_run.value();
    });
    if (!args.gradients.dx.data && !args.gradients.d_residual.data) return;
    const Sums used = dx_sums(s, args.saved, block, sums);
    const bool centred = s.problem.spec.centred();
    for (std::int64_t r = 0; r < s.g.runs; ++r) {
        const T* x_run = x + s.start(s.g, block, r);
        const G* dy_run = dy + s.start(s.dy, block, r);
        const std::int64_t start = s.start(s.dx, block, r);
        for_stretches(s, i, r, [&](std::int64_t k, std::int64_t n, std::int64_t c, bool varies) {
            const BackwardTerms terms(dx_statistics(s, args.saved, block), varies ? 1 : entry(gamma, c, 1), used, s.m,
                                      s.q, centred);
            const P* each = varies && gamma ? gamma + c : nullptr;
            terms.template fit<A>() ? run_backward<A>(x_run + k, dy_run + k, start + k, n, terms, each, out)
                                    : run_backward<double>(x_run + k, dy_run + k, start + k, n, terms, each, out);
        });
    }
}

/// The first of `rows` rows of `width` numbers becomes the sum of all, added in pairs; the others are spoilt.
inline void add_rows(double* rows, std::int64_t count, std::int64_t width) {
    for (std::int64_t step = 1; step < count; step *= 2)
        for (std::int64_t row = 0; row + step < count; row += 2 * step) {
            double *to = rows + row * width, *from = rows + (row + step) * width;
            for (std::int64_t k = 0; k < width; ++k) to[k] += from[k];
        }
}

template <class T>
void store_channels(const double* values, void* to, std::int64_t C) {
    if (to)
        for (std::int64_t c = 0; c < C; ++c) static_cast<ParamOf<T>*>(to)[c] = static_cast<ParamOf<T>>(values[c]);
}

/// Workspace of the backward pass: [sets][dgamma, dbeta, what was rounded off each][C].
inline double* take_parameter_sums(const Setup& s, Arena& arena) {
    return arena.take<double>(s.partial_sets() * 4 * s.problem.shape.C);
}

template <class T, class G>
void backward_blocks(const Setup& s, const BackwardArgs& args, [[maybe_unused]] int threads) {
    const std::int64_t C = s.problem.shape.C, slices = s.slices_of_blocks(), sets = s.partial_sets();
    Arena arena(args.workspace);
    double* partial = take_parameter_sums(s, arena);
    std::fill_n(partial, sets * 4 * C, 0.0);
    auto* dx = static_cast<T*>(args.gradients.dx.data);
    auto* d_residual = static_cast<T*>(args.gradients.d_residual.data);
    const auto* ds = static_cast<const T*>(args.ds.data);
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t slice = 0; slice < slices; ++slice) {
        double* dgamma = partial + (sets == 1 ? 0 : slice) * 4 * C;
        for (std::int64_t block = s.blocks() * slice / slices; block < s.blocks() * (slice + 1) / slices; ++block)
            if (const ParameterSums to{dgamma, dgamma + C, dgamma + 2 * C, dgamma + 3 * C}; s.problem.spec.adds())
                block_backward<T, G>(s, args, block, to, ToBoth<T>{dx, ds, d_residual});
            else block_backward<T, G>(s, args, block, to, AsItIs<T>{dx});
    }
    add_rows(partial, sets, 4 * C);
    for (std::int64_t k = 0; k < 2 * C; ++k)
        if (std::isfinite(partial[k])) partial[k] += partial[2 * C + k];
    store_channels<T>(partial, args.gradients.dgamma, C);
    store_channels<T>(partial + C, args.gradients.dbeta, C);
}

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
