#pragma once
// The reference: the formulas of norm.hpp as xtensor expressions, two passes, no tricks. Never optimised: it is read,
// and compared with. Sums are accumulated in T, in order (f32 and 16-bit data: float). T is float, double, Quad, or
// Complex for the complex step.
//
// Every array is [slice, sample in slice, group, channel in group, position], so a block is a set of axes, and a
// statistic keeps its reduced axes with length 1 and broadcasts.

#include <cmath>
#include <vector>

#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>

#include "norms/element.hpp"
#include "norms/running_stats.hpp"

namespace normlab::reference {

template <class T>
using Array = xt::xtensor<T, 5>;
using AxisList = std::vector<std::size_t>;

inline AxisList block_axes(const Axes& block) {
    AxisList axes;
    if (block.samples) axes.push_back(1);
    if (block.groups) axes.push_back(2);
    if (block.channels) axes.push_back(3);
    if (block.positions) axes.push_back(4);
    return axes;
}
/// What the sums for dgamma and dbeta run over.
inline AxisList summed_axes(AffineSet set) {
    switch (set) {
        case AffineSet::element: return {0, 1};
        case AffineSet::sample_channel: return {4};
        case AffineSet::group: return {0, 1, 3, 4};
        default: return {0, 1, 4};
    }
}

template <class T, class E>
Array<T> add_up(const E& e, const AxisList& axes) {
    return xt::sum<T>(e, axes, xt::keep_dims);
}

template <class T>
struct StatisticsOfBlocks {
    Array<T> mean, var, rstd;
};

/// eps alone divides.
template <class T>
bool is_below_floor(const Spec& spec, const T& var) {
    using std::sqrt;
    const T size = spec.denominator == Denominator::floor ? T(sqrt(var)) : var;
    return spec.has_floor() && real_part(size) < real_part(T(spec.eps));
}

template <class T>
T sigma(const Spec& spec, const T& var) {
    using std::sqrt;
    const T eps(spec.eps);
    if (spec.denominator == Denominator::root) return sqrt(T(var + eps));
    if (spec.denominator == Denominator::added) return T(sqrt(var)) + eps;
    if (is_below_floor(spec, var)) return spec.denominator == Denominator::floor ? eps : T(sqrt(eps));
    return sqrt(var);
}

template <class T>
Array<T> inverse_sigma(const Spec& spec, const Array<T>& var) {
    Array<T> rstd = var;
    for (T& v : rstd) {
        const T s = v == T(0) && spec.eps == 0 ? T(0) : sigma(spec, v);
        v = s == T(0) ? T(0) : T(1) / s;
    }
    return rstd;
}

/// The part of sigma's derivative by var that a root alone does not have: 1 but for other denominators.
template <class T>
Array<T> slope(const Spec& spec, const Array<T>& var) {
    using std::sqrt;
    Array<T> out = var;
    for (T& v : out) {
        if (spec.denominator != Denominator::added) v = is_below_floor(spec, v) ? T(0) : T(1);
        else v = v == T(0) ? T(0) : T(sigma(spec, v) / sqrt(v));
    }
    return out;
}

/// Which elements count: [slice, sample in slice, 1, 1, position]; empty where all do.
using Counted = xt::xtensor<std::uint8_t, 5>;

/// 0 in the place of what does not.
template <class T>
void leave_out(Array<T>& a, const Counted& counted) {
    if (counted.size() == 0) return;
    auto v = a.begin();
    const auto& dims = a.shape();
    for (std::size_t k = 0; k < dims[0]; ++k)
        for (std::size_t n = 0; n < dims[1]; ++n)
            for (std::size_t c = 0; c < dims[2] * dims[3]; ++c)
                for (std::size_t s = 0; s < dims[4]; ++s, ++v)
                    if (counted(k, n, 0, 0, s) == 0) *v = T(0);
}

/// Which elements are of the part that a block's statistics are of, the first of those that count; empty where that is
/// all of them. Of the data's axes, as x is.
template <class T>
Counted elements_of_parts(const Problem& p, const Array<T>& x, const Counted& counted) {
    if (!p.spec.is_partial()) return {};
    xt::xtensor<std::uint8_t, 5> counts(x.shape(), std::uint8_t{1});
    leave_out(counts, counted);
    std::vector<double> left(static_cast<std::size_t>(p.statistics_count()));
    for (std::size_t i = 0; i < counts.size(); ++i) left[p.block_of(i)] += counts.data()[i];
    for (double& m : left) m = p.spec.part_of(m);
    for (std::size_t i = 0; i < counts.size(); ++i)
        if (std::uint8_t& one = counts.data()[i]; one != 0) one = left[p.block_of(i)]-- > 0 ? 1 : 0;
    return counts;
}

/// 0 in the place of what is not of a part.
template <class T>
void leave_parts(Array<T>& a, const Counted& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i)
        if (parts.data()[i] == 0) a.data()[i] = T(0);
}

/// m and q of each block. Where a block has no variance both are 1 at least, and what they divide is 0.
template <class T>
struct Sizes {
    Array<T> m, q;
    Array<T> has_variance;  ///< 1 or 0
};

/// `x`: an array of the data's axes.
template <class T>
Sizes<T> block_sizes(const Problem& p, const Array<T>& x, const Counted& counted) {
    auto dims = x.shape();
    for (const std::size_t axis : block_axes(p.spec.block)) dims[axis] = 1;
    xt::xtensor<double, 5> count(dims, static_cast<double>(p.block_size()));
    if (counted.size() > 0) {
        xt::xtensor<double, 5> ones(x.shape(), 1.0);
        leave_out(ones, counted);
        count = add_up<double>(ones, block_axes(p.spec.block));
    }
    Sizes<T> sizes{Array<T>(dims), Array<T>(dims), Array<T>(dims)};
    for (std::size_t b = 0; b < count.size(); ++b) {
        const double m = count.data()[b];
        const bool has_variance = p.spec.has_variance(m);
        sizes.m.data()[b] = T(std::max(1.0, m));
        sizes.q.data()[b] = T(has_variance ? p.spec.divisor_of(m) : 1.0);
        sizes.has_variance.data()[b] = T(has_variance ? 1 : 0);
    }
    return sizes;
}

/// What does not count is 0 in x.
template <class T>
StatisticsOfBlocks<T> block_statistics(const Problem& p, const Array<T>& x, const Counted& counted) {
    const AxisList axes = block_axes(p.spec.block);
    const Sizes<T> sizes = block_sizes(p, x, counted);
    Array<T> mean = add_up<T>(x, axes) / sizes.m;
    if (!p.spec.centred()) mean.fill(T(0));
    Array<T> centred = x - mean;
    leave_out(centred, counted);
    leave_parts(centred, elements_of_parts(p, x, counted));
    Array<T> var = add_up<T>(centred * centred, axes) / sizes.q;
    Array<T> rstd = inverse_sigma(p.spec, var);
    for (std::size_t b = 0; b < var.size(); ++b)
        if (sizes.has_variance.data()[b] == T(0)) var.data()[b] = rstd.data()[b] = T(0);
    return {mean, var, rstd};
}

template <class T>
struct Gradient {
    Array<T> dx, dgamma, dbeta;
};

template <class T>
Array<T> normalized(const Array<T>& x, const Array<T>& mean, const Array<T>& rstd) {
    return (x - mean) * rstd;
}

/// r and d are 1 and 0 but for batch renorm in training.
template <class T>
Array<T> corrected(const Array<T>& x_hat, const Array<T>& r, const Array<T>& d) {
    return x_hat * r + d;
}

template <class T>
Array<T> forward(const Array<T>& corrected, const Array<T>& gamma, const Array<T>& beta) {
    return gamma * corrected + beta;
}

/// What does not count is 0 in x_hat and dy.
template <class T>
Gradient<T> backward(const Problem& p, const Array<T>& x_hat, const StatisticsOfBlocks<T>& of, const Array<T>& r,
                     const Array<T>& d, const Array<T>& gamma, const Array<T>& dy, const Counted& counted) {
    Array<T> g = gamma * r * dy;
    leave_out(g, counted);  // NaN of gamma or r
    Gradient<T> out;
    if (p.own_statistics()) {
        const AxisList axes = block_axes(p.spec.block);
        const Sizes<T> sizes = block_sizes(p, dy, counted);
        Array<T> mean_g = add_up<T>(g, axes) / sizes.m;
        if (!p.spec.centred()) mean_g.fill(T(0));
        const Array<T> mean_g_x_hat = add_up<T>(g * x_hat, axes) * slope(p.spec, of.var) / sizes.q;
        Array<T> along = x_hat * mean_g_x_hat;
        leave_parts(along, elements_of_parts(p, dy, counted));
        out.dx = of.rstd * (g - mean_g - along);
    } else {
        out.dx = of.rstd * g;
    }
    leave_out(out.dx, counted);
    const AxisList summed = summed_axes(p.spec.affine_set);
    g = dy * (x_hat * r + d);
    leave_out(g, counted);
    out.dgamma = add_up<T>(g, summed);
    out.dbeta = add_up<T>(dy, summed);
    return out;
}

template <class T>
struct SecondGradient {
    Array<T> ddx, ddy, ddgamma;
};

/// u and w are 0 where they are absent, v too. d is read in ddy alone. The slope t depends on x, too, where eps is
/// added to the deviation: along v by -(t - 1) t^2 rstd (1/q) sum v x_hat; elsewhere t is 1 or 0.
template <class T>
SecondGradient<T> backward_backward(const Problem& p, const Array<T>& x_hat, const StatisticsOfBlocks<T>& of,
                                    const Array<T>& r, const Array<T>& d, const Array<T>& gamma, const Array<T>& dy,
                                    const Array<T>& v, const Array<T>& u, const Array<T>& w) {
    const Array<T>& rstd = of.rstd;
    const AxisList axes = block_axes(p.spec.block);
    const T m(static_cast<double>(p.block_size())), q(p.divisor());
    const Array<T> t = slope(p.spec, of.var);
    const auto along_x_hat = [&](const Array<T>& a) -> Array<T> { return add_up<T>(a * x_hat, axes) / q; };
    const auto projected = [&](const Array<T>& a) -> Array<T> {
        if (!p.own_statistics()) return a;
        Array<T> mean = add_up<T>(a, axes) / m;
        if (!p.spec.centred()) mean.fill(T(0));
        return a - mean - x_hat * t * along_x_hat(a);
    };
    const Array<T> g = gamma * r * dy, Pv = projected(v);
    SecondGradient<T> out;
    out.ddy = gamma * r * rstd * Pv + u * (x_hat * r + d) + w;
    out.ddgamma = add_up<T>(r * rstd * dy * Pv, summed_axes(p.spec.affine_set));
    if (p.own_statistics()) {
        const Array<T> A = along_x_hat(g), B = along_x_hat(v);
        const Array<T> h = r * u * dy - rstd * t * (g * B + v * A);
        const Array<T> g_Pv = add_up<T>(g * Pv, axes) / q;
        const Array<T> by_rstd = t * g_Pv - t * t * (t - T(1)) * A * B;
        out.ddx = rstd * projected(h) - rstd * rstd * x_hat * by_rstd;
    } else {
        out.ddx = rstd * dy * u;
    }
    return out;
}

}  // namespace normlab::reference
