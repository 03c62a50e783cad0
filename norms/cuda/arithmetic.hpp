#pragma once
// The arithmetic of the kernels, a number at a time: plain C++ that runs on host and device with the same bits.
//
// Statistics and sums are in double. For f32 and 16-bit data the result is float arithmetic with coefficients that were
// rounded once and the mean as a pair, hi = float(mean), lo = float(mean - hi): x - hi is exact where x is near the
// mean, so the error does not grow with kappa.

#include "norms/half.hpp"
#include "norms/running_stats.hpp"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace normlab::cuda {

/// The type that elements are computed in and parameters are stored in: float, and double for double.
template <class S>
using Compute = ParamOf<S>;

// --- elements --------------------------------------------------------------------------------------------------------

template <class S>
NORMLAB_ANYWHERE Compute<S> load(const S* data, std::int64_t i) {
#ifdef __CUDACC__
    if constexpr (std::is_same_v<S, bf16>) return __bfloat162float(__ushort_as_bfloat16(data[i].bits));
    else if constexpr (std::is_same_v<S, f16>) return __half2float(__ushort_as_half(data[i].bits));
    else return data[i];
#else
    return static_cast<Compute<S>>(data[i]);
#endif
}

/// Rounds to nearest even.
template <class S>
NORMLAB_ANYWHERE void store(S* data, std::int64_t i, Compute<S> v) {
#ifdef __CUDACC__
    if constexpr (std::is_same_v<S, bf16>) data[i].bits = __bfloat16_as_ushort(__float2bfloat16_rn(v));
    else if constexpr (std::is_same_v<S, f16>) data[i].bits = __half_as_ushort(__float2half_rn(v));
    else data[i] = v;
#else
    data[i] = static_cast<S>(v);
#endif
}

template <class T>
NORMLAB_ANYWHERE double load_or(const T* data, std::int64_t i, double absent) {
    return data ? static_cast<double>(data[i]) : absent;
}

// --- sums: without initialisers, so that they can lie in shared memory; made with {} ---------------------------------

/// Count, mean and sum of squares about the mean.
struct Moments {
    double n, mean, m2;
    /// Chan, Golub & LeVeque 1983. Where means are not removed they are 0 and m2 is the sum of squares.
    NORMLAB_ANYWHERE void merge(const Moments& other) {
        if (other.n == 0) return;
        if (n == 0) {
            *this = other;
            return;
        }
        const double total = n + other.n, delta = other.mean - mean;
        mean = mean + delta * (other.n / total);
        m2 = (m2 + other.m2) + delta * delta * (n * (other.n / total));
        n = total;
    }
};

/// What one thread keeps while it walks: sums about its first element, so that a common offset of the data cancels
/// before anything is rounded.
struct Shifted {
    using Partial = Moments;
    double shift = 0, sum = 0, squares = 0;
    std::int64_t n = 0;
    NORMLAB_ANYWHERE void add(double x, bool centred) {
        if (n == 0 && centred) shift = x;
        const double v = x - shift;
        sum += v;
        squares += v * v;
        ++n;
    }
    NORMLAB_ANYWHERE Moments partial(bool centred) const {
        if (n == 0) return Moments{};
        const double count = static_cast<double>(n);
        if (!centred) return {count, 0, squares};
        const double m2 = squares - sum * (sum / count);
        return {count, shift + sum / count, m2 < 0 ? 0 : m2};
    }
};

struct Sums {
    using Partial = Sums;
    double products, values;
    NORMLAB_ANYWHERE void add(double product, double value) { products += product, values += value; }
    NORMLAB_ANYWHERE void merge(const Sums& other) { add(other.products, other.values); }
    NORMLAB_ANYWHERE Sums partial(bool) const { return *this; }
};

/// Of a kernel that sums nothing.
struct Nothing {
    struct Partial {};
};

// --- one block -------------------------------------------------------------------------------------------------------

/// What norm.hpp's formulas take from the Spec.
struct Rule {
    double size = 1, divisor = 1, eps = 0;  ///< m, q
    bool centred = true;
    bool own = true;  ///< statistics come from the input: dx has the means' terms
};

struct BlockStatistics {
    double mean = 0, var = 0, rstd = 0, r = 1, d = 0;
};

inline NORMLAB_ANYWHERE double inverse_sigma(double var, double eps) {
    return var + eps == 0 ? 0.0 : 1 / std::sqrt(var + eps);
}

inline NORMLAB_ANYWHERE BlockStatistics statistics(const Rule& rule, const Moments& m) {
    const double var = m.m2 / rule.divisor;
    return {m.mean, var, inverse_sigma(var, rule.eps)};
}

inline NORMLAB_ANYWHERE BlockStatistics statistics(const ConstSavedView& s, std::int64_t b) {
    return {s.mean[b], s.var[b], s.rstd[b], load_or(s.r, b, 1), load_or(s.d, b, 0)};
}

/// The two means of the backward formula, g = gamma * r * dy: of g and of g * (x - mean).
struct Means {
    double g = 0, products = 0;
};

/// From the sums of w * dy and w * dy * (x - mean); weight = gamma where w left it out (a block of one channel),
/// otherwise 1.
inline NORMLAB_ANYWHERE Means means(const Rule& rule, const BlockStatistics& s, const Sums& sums, double weight) {
    const double factor = weight * s.r;
    return {rule.centred ? factor * sums.values / rule.size : 0.0, factor * sums.products / rule.divisor};
}

/// A block's share of dgamma and dbeta, from the sums of dy and dy * (x - mean).
inline NORMLAB_ANYWHERE Sums parameter_share(const BlockStatistics& s, const Sums& sums) {
    // d = 0 makes no NaN of an infinite sum
    return {s.rstd * s.r * sums.products + (s.d == 0 ? 0 : s.d * sums.values), sums.values};
}

// --- one channel of one block ----------------------------------------------------------------------------------------

/// Whether a coefficient may be rounded to float: its products with ordinary numbers neither over- nor underflow. NaN
/// is not.
inline NORMLAB_ANYWHERE bool fits_float(double v) {
    const double size = v < 0 ? -v : v;
    return v == 0 || (size >= 1e-30 && size <= 1e30);
}

/// x - mean, in the precision of the data.
template <class T>
struct Centre {
    T hi, lo;
    explicit NORMLAB_ANYWHERE Centre(double mean)
        : hi(static_cast<T>(mean)), lo(static_cast<T>(mean - static_cast<double>(hi))) {}
    NORMLAB_ANYWHERE T operator()(T x) const { return (x - hi) - lo; }
};

/// y = (x - mean) * scale + shift, scale = gamma * r * rstd, shift = beta + gamma * d. Where a coefficient does not fit
/// float: in double.
template <class T>
class ForwardMap {
public:
    NORMLAB_ANYWHERE ForwardMap(const BlockStatistics& s, double gamma, double beta)
        : mean_(s.mean), scale_(gamma * s.r * s.rstd), shift_(beta + gamma * s.d), centre_(mean_),
          wide_(std::is_same_v<T, float> && !(fits_float(mean_) && fits_float(scale_))) {}
    NORMLAB_ANYWHERE T operator()(T x) const {
        if (wide_) return static_cast<T>((static_cast<double>(x) - mean_) * scale_ + shift_);
        return centre_(x) * static_cast<T>(scale_) + static_cast<T>(shift_);
    }

private:
    double mean_, scale_, shift_;
    Centre<T> centre_;
    bool wide_;
};

/// dx = c1 * dy - (c2 + (x - mean) * c3), c1 = gamma * r * rstd, c2 = rstd * mean(g), c3 = rstd^3 * mean(g * (x -
/// mean)); given statistics: c1 * dy. Where a block is one element and its mean is removed dx is 0: exactly, and not
/// the difference of two roundings.
template <class T>
class BackwardMap {
public:
    NORMLAB_ANYWHERE BackwardMap(const Rule& rule, const BlockStatistics& s, const Means& means, double gamma)
        : BackwardMap(rule, s, means, gamma, rule.own && rule.centred && rule.size == 1 ? 0 : s.rstd) {}
    NORMLAB_ANYWHERE T operator()(T x, T dy) const {
        if (wide_) {
            const double straight = c1_ * static_cast<double>(dy);
            return static_cast<T>(own_ ? straight - (c2_ + (static_cast<double>(x) - mean_) * c3_) : straight);
        }
        const T straight = static_cast<T>(c1_) * dy;
        return own_ ? straight - (static_cast<T>(c2_) + centre_(x) * static_cast<T>(c3_)) : straight;
    }

private:
    NORMLAB_ANYWHERE BackwardMap(const Rule& rule, const BlockStatistics& s, const Means& means, double gamma,
                                 double rstd)
        : mean_(s.mean), c1_(gamma * s.r * rstd), c2_(rstd * means.g), c3_(rstd * (rstd * (rstd * means.products))),
          centre_(mean_), own_(rule.own), wide_(std::is_same_v<T, float> && !(fits_float(mean_) && fits_float(c1_) &&
                                                                              fits_float(c2_) && fits_float(c3_))) {}

    double mean_, c1_, c2_, c3_;
    Centre<T> centre_;
    bool own_, wide_;
};

}  // namespace normlab::cuda
