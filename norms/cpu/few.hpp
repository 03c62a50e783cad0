#pragma once
// Few: blocks of less than eight elements, wherever they lie. Each lane has one block, so that what is done once a
// block is done for eight at a time; all in f64, as there are no more elements than coefficients. dgamma and dbeta come
// from the other kernels.

#include "norms/cpu/blocks.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

/// Blocks first, first + 1, ...: eight, or as many as there are. The lanes beyond them repeat the last.
struct EightBlocks {
    NORMLAB_INLINE EightBlocks(const Setup& s, std::int64_t number)
        : first(number * lane_count), count(std::min(lane_count, s.blocks() - first)) {
        std::int64_t o = first / s.g.inner, i = first % s.g.inner;
        for (std::int64_t j = 0; j < lane_count; ++j) {
            base[j] = o * s.g.outer_stride + i * s.g.inner_stride, inner[j] = i;
            if (j + 1 < count && ++i == s.g.inner) i = 0, ++o;
        }
        side_by_side = count == lane_count && s.g.inner_stride == 1 && base[lane_count - 1] - base[0] == lane_count - 1;
    }
    static std::int64_t groups(const Setup& s) { return (s.blocks() + lane_count - 1) / lane_count; }

    /// An element of each block; p points to that of a block at 0.
    template <class T>
    NORMLAB_INLINE D8 load_each(const T* p) const {
        if (side_by_side) return load<double>(p + base[0], Full{});
        T each[lane_count];
        for (std::int64_t j = 0; j < lane_count; ++j) each[j] = p[base[j]];
        return load<double>(static_cast<const T*>(each), Full{});
    }
    template <class T>
    NORMLAB_INLINE void store_each(T* p, D8 v) const {
        if (side_by_side) return store<double>(p + base[0], v, Full{});
        T each[lane_count];
        store<double>(each, v, Full{});
        for (std::int64_t j = 0; j < count; ++j) p[base[j]] = each[j];
    }
    /// gamma or beta of element k of run r.
    template <class P>
    NORMLAB_INLINE D8 entries(const Setup& s, const P* values, std::int64_t r, std::int64_t k, double absent) const {
        if (!values) return absent;
        double each[lane_count];
        for (std::int64_t j = 0; j < lane_count; ++j)
            each[j] = static_cast<double>(values[s.rule.channel(inner[j], r, k)]);
        return load<double>(static_cast<const double*>(each), Full{});
    }
    /// f of each block's number.
    template <class F>
    NORMLAB_INLINE D8 each_block(F f) const {
        double each[lane_count];
        for (std::int64_t j = 0; j < lane_count; ++j) each[j] = f(first + std::min(j, count - 1));
        return load<double>(static_cast<const double*>(each), Full{});
    }
    /// What is saved of each block; null: `absent`.
    NORMLAB_INLINE D8 saved(const double* values, double absent) const {
        return !values               ? absent
               : count == lane_count ? load<double>(values + first, Full{})
                                     : load<double>(values + first, count);
    }

    std::int64_t first, count, base[lane_count], inner[lane_count];
    bool side_by_side;
};

/// f(n, r, k, offset) for element k of run r, which is the n-th.
template <class F>
NORMLAB_INLINE void for_elements(const Setup& s, F f) {
    std::int64_t n = 0;
    for (std::int64_t r = 0; r < s.g.runs; ++r)
        for (std::int64_t k = 0; k < s.g.len; ++k) f(n++, r, k, r * s.g.run_stride + k);
}

/// As run_moments takes them, of each block.
template <class T>
NORMLAB_INLINE void few_statistics(const Setup& s, const EightBlocks& blocks, const D8* x, const SavedView& saved) {
    const auto elements = static_cast<std::int64_t>(s.m);
    D8 mean{}, m2{}, rest{};
    if (s.problem.spec.centred()) {
        for (std::int64_t n = 1; n < elements; ++n) mean += x[n] - x[0];
        mean = x[0] + mean / s.m;
    }
    for (std::int64_t n = 0; n < elements; ++n) {
        const D8 d = x[n] - mean;
        m2 += d * d;
        if constexpr (std::is_same_v<T, double>) rest += d;
    }
    if constexpr (std::is_same_v<T, double>)
        if (s.problem.spec.centred()) mean += rest / s.m;
    double means[lane_count], squares[lane_count];
    store<double>(means, mean, Full{}), store<double>(squares, m2, Full{});
    for (std::int64_t j = 0; j < blocks.count; ++j)
        own_statistics(s, {s.m, means[j], squares[j]}, blocks.first + j, saved);
}

template <class T>
NORMLAB_INLINE void few_load(const Setup& s, const EightBlocks& blocks, const void* data, D8 (&x)[Setup::few]) {
    for_elements(s, [&](std::int64_t n, std::int64_t, std::int64_t, std::int64_t at) {
        x[n] = blocks.load_each(static_cast<const T*>(data) + at);
    });
}

/// The elements of eight blocks, from x, gamma, beta and what is saved; args: of forward or backward.
template <class T, class Args, class Out>
NORMLAB_INLINE void few_elements(const Setup& s, const Args& args, const EightBlocks& blocks, const D8 (&x)[Setup::few],
                                 const Out& out) {
    const auto* gamma = static_cast<const ParamOf<T>*>(args.affine.gamma);
    const auto* beta = static_cast<const ParamOf<T>*>(args.affine.beta);
    const bool corrected = s.problem.has_correction(), casts = s.problem.spec.casts();
    const D8 mean = blocks.saved(args.saved.mean, 0), d = blocks.saved(corrected ? args.saved.d : nullptr, 0),
             factor = blocks.saved(corrected ? args.saved.r : nullptr, 1) * blocks.saved(args.saved.rstd, 1);
    for_elements(s, [&](std::int64_t n, std::int64_t r, std::int64_t k, std::int64_t at) {
        const D8 g = blocks.entries(s, gamma, r, k, 1), b = blocks.entries(s, beta, r, k, 0),
                 x_hat = (x[n] - mean) * factor;
        out.put_each(blocks, at, casts ? as_stored<double, T>(x_hat + d) * g + b : x_hat * g + (b + g * d));
    });
}

/// The elements of all blocks, from what is saved of them.
template <class T, class Args, class Out>
void elements_of_few(const Setup& s, const Args& args, const Out& out, [[maybe_unused]] int threads) {
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t number = 0; number < EightBlocks::groups(s); ++number) {
        const EightBlocks blocks(s, number);
        D8 x[Setup::few];
        few_load<T>(s, blocks, args.x.data, x);
        few_elements<T>(s, args, blocks, x, out);
    }
}

template <class T, class Out>
void few_forward(const Setup& s, const ForwardArgs& args, const Out& out, [[maybe_unused]] int threads) {
    const bool corrected = s.problem.has_correction();
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t number = 0; number < EightBlocks::groups(s); ++number) {
        const EightBlocks blocks(s, number);
        D8 x[Setup::few];
        few_load<T>(s, blocks, args.x.data, x);
        few_statistics<T>(s, blocks, x, args.saved);
        if (!corrected) few_elements<T>(s, args, blocks, x, out);
    }
    if (!corrected) return;
    renorm_factors(s.problem, args.state, args.saved.mean, args.saved.var, args.saved.r, args.saved.d);
    elements_of_few<T>(s, args, out, threads);
}

/// dx alone.
template <class T, class G>
void few_backward(const Setup& s, const BackwardArgs& args, [[maybe_unused]] int threads) {
    using P = ParamOf<T>;
    const auto* gamma = static_cast<const P*>(args.affine.gamma);
    const auto* x_from = static_cast<const T*>(args.x.data);
    const auto* dy_from = static_cast<const G*>(args.dy.data);
    auto* to = static_cast<T*>(args.gradients.dx.data);
    const bool centred = s.problem.spec.centred();
    const double scale = s.m == 1 && centred ? 0 : 1;  // as dx_statistics says
#pragma omp parallel for schedule(static) num_threads(s.team(threads))
    for (std::int64_t number = 0; number < EightBlocks::groups(s); ++number) {
        const EightBlocks blocks(s, number);
        const D8 mean = blocks.saved(args.saved.mean, 0), r = blocks.saved(args.saved.r, 1),
                 rstd = blocks.saved(args.saved.rstd, 1) * scale;
        D8 g[Setup::few], x[Setup::few], sum_g{}, sum_gx{};
        for_elements(s, [&](std::int64_t n, std::int64_t run, std::int64_t k, std::int64_t at) {
            g[n] = blocks.load_each(dy_from + at) * blocks.entries(s, gamma, run, k, 1);
            x[n] = blocks.load_each(x_from + at) - mean;
            sum_g += g[n], sum_gx += g[n] * x[n];
        });
        if (!s.problem.spec.plain())
            sum_gx = sum_gx * blocks.each_block(
                                  [&](std::int64_t block) { return slope_of(s.problem.spec, args.saved.var[block]); });
        const D8 offset = centred ? rstd * (r * sum_g / s.m) : D8{},
                 slope = rstd * (rstd * (rstd * (r * sum_gx / s.q)));
        for_elements(s, [&](std::int64_t n, std::int64_t, std::int64_t, std::int64_t at) {
            blocks.store_each(to + at, g[n] * (r * rstd) - (offset + x[n] * slope));
        });
    }
}

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
