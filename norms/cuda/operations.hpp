#pragma once
// What is done with the elements of a block, the same for every geometry. An operation is a chain of functions, from
// what is constant in most of a kernel's work to what changes with every element:
//
//   operation.block(b)           statistics of block b are read
//   .channel(c)                  gamma and beta of channel c are read, coefficients are made
//   (offset, p, value)           one element: at `offset` in memory, number p of its block; `value` is what this
//     thread sums
//
// Value::Partial is what parts of a block are merged as; operations with Value = Nothing write elements and sum
// nothing.

#include "norms/cuda/arithmetic.hpp"
#include "norms/cuda/launch.hpp"

namespace normlab::cuda {

/// Moments of each block of x.
template <class S>
struct TakeMoments {
    using Storage = S;
    using Value = Shifted;
    const S* x;
    bool centred;
    NORMLAB_ANYWHERE auto block(std::int64_t) const {
        return [op = *this](std::int64_t) {
            return [op](std::int64_t offset, std::int64_t, Shifted& value) {
                value.add(static_cast<double>(load(op.x, offset)), op.centred);
            };
        };
    }
};

/// y from x and the statistics in `saved`.
template <class S>
struct Normalise {
    using Storage = S;
    using Value = Nothing;
    const S* x;
    S* y;  // may be x
    const Compute<S>*gamma, *beta;
    ConstSavedView saved;
    NORMLAB_ANYWHERE auto with(const BlockStatistics& s) const {
        return [op = *this, s](std::int64_t c) {
            const ForwardMap<Compute<S>> map(s, load_or(op.gamma, c, 1), load_or(op.beta, c, 0));
            return [map, x = op.x, y = op.y](std::int64_t offset, std::int64_t, Nothing&) {
                store(y, offset, map(load(x, offset)));
            };
        };
    }
    NORMLAB_ANYWHERE auto block(std::int64_t b) const { return with(statistics(saved, b)); }
};

/// Sums of w * dy * (x - mean) and w * dy of each block; w = gamma where `weighted`, otherwise 1.
template <class S>
struct SumGradients {
    using Storage = S;
    using Value = Sums;
    const S *x, *dy;
    const Compute<S>* gamma;
    bool weighted;
    ConstSavedView saved;
    NORMLAB_ANYWHERE auto block(std::int64_t b) const {
        return [op = *this, mean = saved.mean[b]](std::int64_t c) {
            const double weight = op.weighted ? load_or(op.gamma, c, 1) : 1.0;
            return [op, mean, weight](std::int64_t offset, std::int64_t, Sums& value) {
                const double g = weight * static_cast<double>(load(op.dy, offset));
                value.add(g * (static_cast<double>(load(op.x, offset)) - mean), g);
            };
        };
    }
};

/// dx from x, dy, the statistics in `saved` and each block's means.
template <class S>
struct Differentiate {
    using Storage = S;
    using Value = Nothing;
    const S *x, *dy;
    S* dx;  // may be dy
    const Compute<S>* gamma;
    ConstSavedView saved;
    const Means* means;  // null: none
    Rule rule;
    NORMLAB_ANYWHERE auto with(const BlockStatistics& s, const Means& m) const {
        return [op = *this, s, m](std::int64_t c) {
            const BackwardMap<Compute<S>> map(op.rule, s, m, load_or(op.gamma, c, 1));
            return [map, x = op.x, dy = op.dy, dx = op.dx](std::int64_t offset, std::int64_t, Nothing&) {
                store(dx, offset, map(load(x, offset), load(dy, offset)));
            };
        };
    }
    NORMLAB_ANYWHERE auto block(std::int64_t b) const { return with(statistics(saved, b), means ? means[b] : Means{}); }
};

/// For blocks that are whole channels while statistics are not: sums of dy * x_hat (after r and d) and of dy, each
/// element with its own statistics.
template <class S>
struct SumParameters {
    using Storage = S;
    using Value = Sums;
    const S *x, *dy;
    ConstSavedView saved;
    StatisticRule rule;
    NORMLAB_ANYWHERE auto block(std::int64_t) const {
        return [op = *this](std::int64_t c) {
            return [op, c](std::int64_t offset, std::int64_t p, Sums& value) {
                const BlockStatistics s = statistics(op.saved, op.rule.block(c, p));
                const double g = static_cast<double>(load(op.dy, offset));
                value.merge(parameter_share(s, {g * (static_cast<double>(load(op.x, offset)) - s.mean), g}));
            };
        };
    }
};

/// Calls F(operation) for every operation on S that slab.cu and column.cu compile.
#define NORMLAB_EACH_OPERATION_OF(F, S) \
    F(TakeMoments<S>) F(Normalise<S>) F(SumGradients<S>) F(Differentiate<S>) F(SumParameters<S>)

// --- kernels, started on a stream. `partials` is null for operations that sum nothing. -------------------------------

template <class Op>
void run_slab(const Blocks&, const Op&, typename Op::Value::Partial* partials, bool centred, void* stream);
template <class Op>
void run_column(const Blocks&, const Op&, typename Op::Value::Partial* partials, bool centred, void* stream);

/// Rows, in one launch: statistics (to `saved`) where `reduce`, y where `apply`.
template <class S>
void run_row_forward(const Blocks&, const Rule&, const TakeMoments<S>&, const Normalise<S>&, SavedView saved,
                     bool reduce, bool apply, void* stream);

/// Rows: the means where `reduce`, with each block's share of dgamma and dbeta to `shares` where that is not null; dx
/// where `apply`.
template <class S>
void run_row_backward(const Blocks&, const SumGradients<S>&, const Differentiate<S>&, Sums* shares, bool reduce,
                      bool apply, void* stream);

// --- finish.cu: what is done once a block or a channel ---------------------------------------------------------------

void finish_moments(const Blocks&, const Rule&, const Moments* partials, SavedView saved, void* stream);

/// `means` and `shares` may be null. `gamma` is of double or float; null: 1, or it is in the sums already.
template <class T>
void finish_sums(const Blocks&, const Rule&, const Sums* partials, const T* gamma, ConstSavedView saved, Means* means,
                 Sums* shares, void* stream);

/// dgamma and dbeta (each may be null) of `channels` channels: channel c adds up, in order, `per_channel` neighbours of
/// each of `rows` rows of `width`.
template <class T>
void finish_parameters(const Sums* shares, std::int64_t rows, std::int64_t width, std::int64_t per_channel,
                       std::int64_t channels, T* dgamma, T* dbeta, void* stream);

/// Each channel's statistics from State.
void give_statistics(const Spec&, std::int64_t channels, const StateView& state, SavedView saved, void* stream);

/// All steps of one training call: r and d where `saved` has them, each slice's against what the slices before it left;
/// then State.
void move_state(const Problem&, const StateView& state, SavedView saved, void* stream);

}  // namespace normlab::cuda
