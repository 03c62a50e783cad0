#pragma once
// One contiguous run of n elements: its moments, its sums, its results.

#include <algorithm>
#include <cmath>

#include "norms/cpu/activation.hpp"
#include "norms/cpu/statistics.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

// elements: in the first cache with room to spare, and a chain of 32 additions a lane
constexpr std::int64_t chunk = 512;

template <class F>
auto by_chunks(std::int64_t n, const F& leaf) {  // leaf(offset, count), merged pairwise
    return pairwise(0, (n + chunk - 1) / chunk,
                    [&](std::int64_t i) { return leaf(i * chunk, std::min(chunk, n - i * chunk)); });
}

template <class T>
NORMLAB_INLINE D8 deviation(const T* x, double mean, Full) {
    return load<double>(x, Full{}) - mean;
}
template <class T>
NORMLAB_INLINE D8 deviation(const T* x, double mean, std::int64_t count) {  // 0 in the padding
    double v[lane_count];
    store<double>(v, load<double>(x, count) - mean, Full{});
    std::fill(v + count, v + lane_count, 0.0);
    return load<double>(v, Full{});
}

template <class T>
NORMLAB_INLINE double first_of(const T* x) {
    return load<double>(x, 1).low[0];
}

/// Two passes over each chunk: the sum of deviations from its first element, so that equal elements have no variance,
/// then the squares about its mean. In f64 the second also sums the deviations from that mean, which corrects it (Chan,
/// Golub & LeVeque 1983, 1.7): a first element far out costs the mean digits that other dtypes have to spare.
template <class T>
Moments2 run_moments(const T* run, std::int64_t n, bool centred) {
    return by_chunks(n, [run, centred](std::int64_t offset, std::int64_t count) {
        const T* x = run + offset;
        const auto size = static_cast<double>(count);
        double mean = 0;
        if (centred) {
            const double pivot = first_of(x);
            D8 even{}, odd{};
            std::int64_t k = 0;
            for (; k + 2 * lane_count <= count; k += 2 * lane_count) {
                even += deviation(x + k, pivot, Full{});
                odd += deviation(x + k + lane_count, pivot, Full{});
            }
            for_groups(count - k, [&](std::int64_t j, auto some) { even += deviation(x + k + j, pivot, some); });
            mean = pivot + sum(even + odd) / size;
        }
        D8 even{}, odd{}, rest{};
        const auto add = [&](D8& to, const D8 v) {
            to += v * v;
            if constexpr (std::is_same_v<T, double>) rest += v;
        };
        std::int64_t k = 0;
        for (; k + 2 * lane_count <= count; k += 2 * lane_count) {
            add(even, deviation(x + k, mean, Full{}));
            add(odd, deviation(x + k + lane_count, mean, Full{}));
        }
        for_groups(count - k, [&](std::int64_t j, auto some) { add(even, deviation(x + k + j, mean, some)); });
        return Moments2{size, mean + (centred ? sum(rest) / size : 0), sum(even + odd)};
    });
}

/// Sums of dy and of dy (x - mean).
template <class T, class G>
Sums run_sums(const T* x, const G* dy, std::int64_t n, double mean) {
    return by_chunks(n, [=](std::int64_t offset, std::int64_t count) {
        D8 g{}, gx{};
        for_groups(count, [&](std::int64_t k, auto some) {
            const D8 w = load<double>(dy + offset + k, some);
            g += w;
            gx += w * deviation(x + offset + k, mean, some);
        });
        return Sums{sum(g), sum(gx)};
    });
}

/// The same of gamma dy where gamma has an entry an element.
template <class T, class G, class P>
Sums run_sums(const T* x, const G* dy, std::int64_t n, double mean, const P* gamma) {
    return by_chunks(n, [=](std::int64_t offset, std::int64_t count) {
        D8 g{}, gx{};
        for_groups(count, [&](std::int64_t k, auto some) {
            const D8 w = load<double>(dy + offset + k, some) * load<double>(gamma + offset + k, some);
            g += w;
            gx += w * deviation(x + offset + k, mean, some);
        });
        return Sums{sum(g), sum(gx)};
    });
}

/// What `after`, the rounded sum of before and v, has lost of it (Knuth's two-sum).
template <class V>
NORMLAB_INLINE V rounded_off(V before, V v, V after) {
    const V added = after - before;
    return (before - (after - added)) + (v - added);
}

/// Sums over the stretches of a run, of which there may be many. In f64 with what additions rounded off beside them.
template <class T>
struct LongSums {
    Sums total, lost;

    NORMLAB_INLINE void add(const Sums& v) {
        const Sums before = total;
        total = before + v;
        if constexpr (std::is_same_v<T, double>)
            lost = lost + Sums{rounded_off(before.g, v.g, total.g), rounded_off(before.gx, v.gx, total.gx)};
    }
    Sums value() const { return std::isfinite(lost.g) && std::isfinite(lost.gx) ? total + lost : total; }
};

/// Sums of dgamma and dbeta, an entry a channel. In f64 with what additions rounded off beside them: the chain of
/// blocks may be long.
struct ParameterSums {
    double *dgamma, *dbeta, *dgamma_lost, *dbeta_lost;
};

template <class T>
NORMLAB_INLINE void add_to(double* total, double* lost, D8 v, auto some) {
    const D8 before = load<double>(total, some), after = before + v;
    store<double>(total, after, some);
    if constexpr (std::is_same_v<T, double>) {
        store<double>(lost, load<double>(lost, some) + rounded_off(before, v, after), some);
    }
}

/// Element by element: dbeta += dy, dgamma += dy (x - mean) * factor.
template <class T, class G>
void add_parameter_sums(const T* x, const G* dy, std::int64_t n, double mean, double factor, const ParameterSums& to) {
    for_groups(n, [&](std::int64_t k, auto some) {
        const D8 w = load<double>(dy + k, some);
        add_to<T>(to.dbeta + k, to.dbeta_lost + k, w, some);
        add_to<T>(to.dgamma + k, to.dgamma_lost + k, w * deviation(x + k, mean, some) * factor, some);
    });
}

/// The elements from x on, to where `out` puts those from offset `at` on (activation.hpp).
template <class A, class T, class Out>
void run_forward(const T* x, std::int64_t at, std::int64_t n, const ForwardTerms& terms, const Out& out) {
    const auto c = terms.as<A>();
    for_groups(n, [&](std::int64_t k, auto some) {
        out.template put<A>(at + k, ((load<A>(x + k, some) - c.hi) - c.lo) * c.factor + c.shift, some);
    });
}

/// gamma and beta have an entry an element; null: 1 and 0.
template <class A, class T, class P, class Out>
void run_forward(const T* x, std::int64_t at, std::int64_t n, const ForwardTerms& terms, const P* gamma, const P* beta,
                 const Out& out) {
    const auto c = terms.as<A>();
    for_groups(n, [&](std::int64_t k, auto some) {
        Lanes<A> v = ((load<A>(x + k, some) - c.hi) - c.lo) * c.factor;
        if (gamma) v = v * load<A>(gamma + k, some);
        if (beta) v = v + load<A>(beta + k, some);
        out.template put<A>(at + k, v, some);
    });
}

/// x_hat is rounded to T before gamma. gamma and beta: null, or an entry an element (`each`), or one for all.
template <class A, class T, class P, class Out>
void run_cast_forward(const T* x, std::int64_t at, std::int64_t n, const ForwardTerms& terms, const P* gamma,
                      const P* beta, bool each, const Out& out) {
    const auto c = terms.as<A>();
    const auto entries = [&](const P* values, std::int64_t k, auto some) {
        return each ? load<A>(values + k, some) : Lanes<A>{} + static_cast<A>(*values);
    };
    for_groups(n, [&](std::int64_t k, auto some) {
        Lanes<A> v = as_stored<A, T>(((load<A>(x + k, some) - c.hi) - c.lo) * c.factor + c.shift);
        if (gamma) v = v * entries(gamma, k, some);
        if (beta) v = v + entries(beta, k, some);
        out.template put<A>(at + k, v, some);
    });
}

/// Where dx goes with a residual: ds, where there is one, is added before the gradient is rounded to dx and d_residual,
/// each of which may be null.
template <class T>
struct ToBoth {
    T* dx;
    const T* ds;
    T* d_residual;

    template <class A>
    NORMLAB_INLINE void put(std::int64_t at, Lanes<A> d, auto some) const {
        if (ds) d = d + load<A>(ds + at, some);
        if (dx) store<A>(dx + at, d, some);
        if (d_residual) store<A>(d_residual + at, d, some);
    }
};

/// s = x + residual: one addition, and one rounding to what is stored. s may be residual.
template <class A, class T>
void run_sum(const T* x, const T* residual, T* s, std::int64_t n) {
    for_groups(n, [&](std::int64_t k, auto some) {
        store<A>(s + k, load<A>(x + k, some) + load<A>(residual + k, some), some);
    });
}

/// As run_forward. gamma: an entry an element, or null where it is in the terms.
template <class A, class T, class G, class P, class Out>
void run_backward(const T* x, const G* dy, std::int64_t at, std::int64_t n, const BackwardTerms& terms, const P* gamma,
                  const Out& out) {
    const auto c = terms.as<A>();
    for_groups(n, [&](std::int64_t k, auto some) {
        Lanes<A> g = load<A>(dy + k, some) * c.factor;  // before gamma: the size of dx
        if (gamma) g = g * load<A>(gamma + k, some);
        out.template put<A>(at + k, g - (c.offset + ((load<A>(x + k, some) - c.hi) - c.lo) * c.slope), some);
    });
}

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
