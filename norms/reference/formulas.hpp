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
inline const AxisList channel_axes{0, 1, 4};  // what the sums for dgamma and dbeta run over

template <class T, class E>
Array<T> add_up(const E& e, const AxisList& axes) {
    return xt::sum<T>(e, axes, xt::keep_dims);
}

template <class T>
struct StatisticsOfBlocks {
    Array<T> mean, var, rstd;
};

template <class T>
Array<T> inverse_sigma(const Array<T>& var, double eps) {
    using std::sqrt;
    Array<T> rstd = var;
    for (T& v : rstd) v = v + T(eps) == T(0) ? T(0) : T(1) / sqrt(T(v + T(eps)));
    return rstd;
}

template <class T>
StatisticsOfBlocks<T> block_statistics(const Problem& p, const Array<T>& x) {
    const AxisList axes = block_axes(p.spec.block);
    const T m(static_cast<double>(p.block_size())), q = p.spec.moments == Moments::norm ? T(1) : m;
    Array<T> mean = add_up<T>(x, axes) / m;
    if (!p.spec.centred()) mean.fill(T(0));
    const Array<T> centred = x - mean;
    Array<T> var = add_up<T>(centred * centred, axes) / q;
    Array<T> rstd = inverse_sigma(var, p.spec.eps);
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
Array<T> forward(const Array<T>& x_hat, const Array<T>& r, const Array<T>& d, const Array<T>& gamma,
                 const Array<T>& beta) {
    return gamma * (x_hat * r + d) + beta;
}

template <class T>
Gradient<T> backward(const Problem& p, const Array<T>& x_hat, const Array<T>& rstd, const Array<T>& r,
                     const Array<T>& d, const Array<T>& gamma, const Array<T>& dy) {
    const Array<T> g = gamma * r * dy;
    Gradient<T> out;
    if (p.own_statistics()) {
        const AxisList axes = block_axes(p.spec.block);
        const T m(static_cast<double>(p.block_size())), q = p.spec.moments == Moments::norm ? T(1) : m;
        Array<T> mean_g = add_up<T>(g, axes) / m;
        if (!p.spec.centred()) mean_g.fill(T(0));
        const Array<T> mean_g_x_hat = add_up<T>(g * x_hat, axes) / q;
        out.dx = rstd * (g - mean_g - x_hat * mean_g_x_hat);
    } else {
        out.dx = rstd * g;
    }
    out.dgamma = add_up<T>(dy * (x_hat * r + d), channel_axes);
    out.dbeta = add_up<T>(dy, channel_axes);
    return out;
}

template <class T>
struct SecondGradient {
    Array<T> ddx, ddy, ddgamma;
};

/// u and w are 0 where they are absent, v too. d is read in ddy alone.
template <class T>
SecondGradient<T> backward_backward(const Problem& p, const Array<T>& x_hat, const Array<T>& rstd, const Array<T>& r,
                                    const Array<T>& d, const Array<T>& gamma, const Array<T>& dy, const Array<T>& v,
                                    const Array<T>& u, const Array<T>& w) {
    const AxisList axes = block_axes(p.spec.block);
    const T m(static_cast<double>(p.block_size())), q = p.spec.moments == Moments::norm ? T(1) : m;
    const auto along_x_hat = [&](const Array<T>& a) -> Array<T> { return add_up<T>(a * x_hat, axes) / q; };
    const auto projected = [&](const Array<T>& a) -> Array<T> {
        if (!p.own_statistics()) return a;
        Array<T> mean = add_up<T>(a, axes) / m;
        if (!p.spec.centred()) mean.fill(T(0));
        return a - mean - x_hat * along_x_hat(a);
    };
    const Array<T> g = gamma * r * dy, Pv = projected(v);
    SecondGradient<T> out;
    out.ddy = gamma * r * rstd * Pv + u * (x_hat * r + d) + w;
    out.ddgamma = add_up<T>(r * rstd * dy * Pv, channel_axes);
    if (p.own_statistics()) {
        const Array<T> h = r * u * dy - rstd * (g * along_x_hat(v) + v * along_x_hat(g));
        const Array<T> by_rstd = add_up<T>(g * Pv, axes) / q;
        out.ddx = rstd * projected(h) - rstd * rstd * x_hat * by_rstd;
    } else {
        out.ddx = rstd * dy * u;
    }
    return out;
}

}  // namespace normlab::reference
