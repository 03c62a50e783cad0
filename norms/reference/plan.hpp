#pragma once
// From views to arrays and back, around formulas.hpp.

#include <algorithm>

#include "norms/activation.hpp"
#include "norms/implementation.hpp"
#include "norms/reference/formulas.hpp"
#include "norms/scale.hpp"

namespace normlab::reference {

template <class T>
class ReferencePlan final : public Plan {
public:
    explicit ReferencePlan(const Problem& problem) : p_(problem) {}
    std::size_t opaque_bytes() const override;
    void forward(const ForwardArgs&) const override;
    void backward(const BackwardArgs&) const override;
    Support supports_backward_backward() const override { return {}; }
    void backward_backward(const BackwardBackwardArgs&) const override;

private:
    using Dims = std::array<std::size_t, 5>;
    static constexpr bool fits_f64 = std::is_same_v<T, float> || std::is_same_v<T, double>;

    Dims dims() const;          // of the data
    Dims channel_dims() const;  // of statistics from State
    Dims parameter_dims() const;
    Dims statistic_dims() const;
    Array<T> load(const ConstTensor&) const;
    void store(const Array<T>&, const Tensor&) const;
    void store_parameters(const Array<T>&, void*) const;
    Array<T> load_parameters(const void*, double absent) const;
    Array<T> factors(const void* gamma) const;  // of x_hat
    Counted counted(Mask) const;
    /// What forward's statistics see of x + residual, of which s is written.
    Array<T> summed(const Array<T>& x, const Added&) const;
    /// Of 16 bits, as the data are; itself where they are of T.
    void round_to_data(Array<T>& x_hat) const;
    void activate(Array<T>& z, const void* tau) const;
    /// y of 8 bits, and its scale where that is found.
    void quantize(const Array<T>& y, const ForwardArgs&) const;
    /// dz of dy.
    void multiply_by_slope(Array<T>& dy, const Array<T>& z) const;
    /// The same behind a threshold, and dtau.
    void take_above(Array<T>& dy, const Array<T>& z, const BackwardArgs&, const Counted&) const;
    /// tau, as the data lie.
    Array<T> thresholds(const void* tau) const;
    StatisticsOfBlocks<T> running(const StateView&) const;
    void save(const StatisticsOfBlocks<T>&, const Array<T>& r, const Array<T>& d, const SavedView&) const;
    Array<T> saved(const double*, const ConstSavedView&, std::size_t slot, double absent) const;

    Problem p_;
};

template <class T>
auto ReferencePlan<T>::dims() const -> Dims {
    const auto [N, C, S] = p_.shape;
    const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
    return {size(p_.slices()), size(N / p_.slices()), size(p_.spec.groups), size(p_.channels_per_group()), size(S)};
}

template <class T>
auto ReferencePlan<T>::channel_dims() const -> Dims {
    return {1, 1, dims()[2], dims()[3], 1};
}

template <class T>
auto ReferencePlan<T>::parameter_dims() const -> Dims {
    Dims d = dims();
    for (std::size_t axis : summed_axes(p_.spec.affine_set)) d[axis] = 1;
    return d;
}

template <class T>
auto ReferencePlan<T>::statistic_dims() const -> Dims {
    if (!p_.own_statistics()) return channel_dims();
    Dims d = dims();
    for (std::size_t axis : block_axes(p_.spec.block)) d[axis] = 1;
    return d;
}

// x[N, C, S] in memory order [slice, sample, group, channel, position], whatever the view's layout.
template <class T>
Array<T> ReferencePlan<T>::load(const ConstTensor& t) const {
    Array<T> a(dims());
    const Steps at = t.steps();
    with_reader<T>(t.data, t.dtype, [&, out = a.begin()](auto read) mutable {
        for (std::int64_t n = 0; n < t.shape.N; ++n)
            for (std::int64_t c = 0; c < t.shape.C; ++c)
                for (std::int64_t s = 0; s < t.shape.S; ++s) *out++ = read(at.offset(n, c, s));
    });
    return a;
}

template <class T>
void ReferencePlan<T>::store(const Array<T>& a, const Tensor& t) const {
    const Steps at = t.steps();
    with_writer<T>(t.data, t.dtype, [&, in = a.begin()](auto write) mutable {
        for (std::int64_t n = 0; n < t.shape.N; ++n)
            for (std::int64_t c = 0; c < t.shape.C; ++c)
                for (std::int64_t s = 0; s < t.shape.S; ++s) write(at.offset(n, c, s), *in++);
    });
}

template <class T>
void ReferencePlan<T>::store_parameters(const Array<T>& a, void* to) const {
    std::int64_t k = 0;
    if (to)
        for (const T& v : a) write_element(to, p_.params(), k++, v);
}

template <class T>
Array<T> ReferencePlan<T>::load_parameters(const void* data, double absent) const {
    Array<T> a(parameter_dims(), T(absent));
    std::int64_t k = 0;
    if (data)
        for (T& v : a) v = read_element<T>(data, p_.params(), k++);
    return a;
}

template <class T>
Array<T> ReferencePlan<T>::factors(const void* gamma) const {
    Array<T> a = load_parameters(gamma, 1);
    if (gamma)
        for (T& v : a) v = p_.spec.factor(v);
    return a;
}

template <class T>
Counted ReferencePlan<T>::counted(Mask mask) const {
    if (!mask) return {};
    const Dims d = dims();
    Counted of(std::array<std::size_t, 5>{d[0], d[1], 1, 1, d[4]});
    std::copy(mask, mask + of.size(), of.begin());
    return of;
}

template <class T>
Array<T> ReferencePlan<T>::summed(const Array<T>& x, const Added& added) const {
    const Array<T> sum = x + load(added.residual);
    store(sum, added.s);
    return p_.spec.residual == Residual::stored ? load(added.s) : sum;
}

template <class T>
void ReferencePlan<T>::round_to_data(Array<T>& x_hat) const {
    if constexpr (std::is_same_v<T, float>)
        with_storage_type(p_.dtype, [&](auto stored) {
            for (T& v : x_hat) v = convert<T>(convert<decltype(stored)>(v));
        });
}

template <class T>
Array<T> ReferencePlan<T>::thresholds(const void* tau) const {
    return Array<T>(dims(), T(0)) + load_parameters(tau, 0);
}

template <class T>
void ReferencePlan<T>::activate(Array<T>& z, const void* tau) const {
    if (!tau) {
        for (T& v : z) v = activated(p_.spec.activation, v);
        return;
    }
    const Array<T> all = thresholds(tau);
    auto t = all.begin();
    for (T& v : z) v = activated(p_.spec.activation, v, *t++);
}

template <class T>
void ReferencePlan<T>::multiply_by_slope(Array<T>& dy, const Array<T>& z) const {
    auto v = z.begin();
    for (T& dz : dy) dz = dz * activation_slope(p_.spec.activation, *v++);
}

template <class T>
void ReferencePlan<T>::take_above(Array<T>& dy, const Array<T>& z, const BackwardArgs& args,
                                  const Counted& counted) const {
    const Array<T> tau = thresholds(args.affine.tau);
    Array<T> below(dims(), T(0));
    for (std::size_t i = 0; i < below.size(); ++i)
        if (real_part(z.data()[i]) < real_part(tau.data()[i])) std::swap(dy.data()[i], below.data()[i]);
    leave_out(below, counted);
    store_parameters(add_up<T>(below, summed_axes(p_.spec.affine_set)), args.gradients.dtau);
}

template <class T>
StatisticsOfBlocks<T> ReferencePlan<T>::running(const StateView& state) const {
    Array<T> mean(channel_dims()), var(channel_dims()), rstd(channel_dims());
    for (std::int64_t c = 0; c < p_.shape.C; ++c) {
        const auto i = static_cast<std::size_t>(c);
        mean.data()[i] = T(state.mean[c]);
        if (p_.spec.running == Running::sigma) {
            const T sigma(state.sigma[c]);
            var.data()[i] = sigma * sigma - T(p_.spec.eps);
            rstd.data()[i] = sigma == T(0) ? T(0) : T(1) / sigma;
        } else {
            var.data()[i] = T(state.var[c]);
        }
    }
    if (p_.spec.running != Running::sigma) rstd = inverse_sigma(p_.spec, var);
    return {mean, var, rstd};
}

template <class T>
void ReferencePlan<T>::quantize(const Array<T>& y, const ForwardArgs& args) const {
    const Spec& s = p_.spec;
    std::vector<float> found(s.finds_scale() ? static_cast<std::size_t>(p_.scale_count()) : 0);
    const auto value = [&](std::size_t i) { return convert<float>(y.data()[i]); };
    for (std::size_t i = 0; !found.empty() && i < y.size(); ++i)
        if (const float size = std::abs(value(i)); std::isfinite(size))
            found[p_.scale_entry(i)] = std::max(found[p_.scale_entry(i)], size);
    for (std::size_t k = 0; k < found.size(); ++k) args.scale[k] = found_scale(s, found[k]);
    const Steps at = args.y.steps();
    std::size_t i = 0;
    for (std::int64_t n = 0; n < p_.shape.N; ++n)
        for (std::int64_t c = 0; c < p_.shape.C; ++c)
            for (std::int64_t k = 0; k < p_.shape.S; ++k, ++i) {
                write_element(args.y.data, args.y.dtype, at.offset(n, c, k),
                              quotient(s, value(i), args.scale[p_.scale_entry(i)]));
            }
}

// Saved's f64 holds float and double exactly; wider scalars keep their own copy of mean, var, rstd, r and d.
template <class T>
std::size_t ReferencePlan<T>::opaque_bytes() const {
    return fits_f64 ? 0 : 5 * sizeof(T) * static_cast<std::size_t>(p_.statistics_count());
}

template <class T>
void ReferencePlan<T>::save(const StatisticsOfBlocks<T>& s, const Array<T>& r, const Array<T>& d,
                            const SavedView& saved) const {
    const auto copy = [&](const Array<T>& a, double* to) {
        if (to) std::transform(a.begin(), a.end(), to, [](const T& v) { return convert<double>(v); });
    };
    copy(s.mean, saved.mean);
    copy(s.var, saved.var);
    copy(s.rstd, saved.rstd);
    copy(r, saved.r);
    copy(d, saved.d);
    if constexpr (!fits_f64) {
        T* own = reinterpret_cast<T*>(saved.opaque);
        for (const Array<T>* a : {&s.mean, &s.var, &s.rstd, &r, &d}) {
            std::uninitialized_copy(a->begin(), a->end(), own);
            own += p_.statistics_count();
        }
    }
}

template <class T>
Array<T> ReferencePlan<T>::saved(const double* values, const ConstSavedView& saved, std::size_t slot,
                                 double absent) const {
    Array<T> a(statistic_dims(), T(absent));
    if constexpr (fits_f64) {
        (void)saved, (void)slot;
        if (values) std::transform(values, values + a.size(), a.begin(), [](double v) { return static_cast<T>(v); });
    } else {
        const T* own = reinterpret_cast<const T*>(saved.opaque) + slot * a.size();
        if (values) std::copy(own, own + a.size(), a.begin());
    }
    return a;
}

template <class T>
void ReferencePlan<T>::forward(const ForwardArgs& args) const {
    Array<T> x = load(args.x);
    if (p_.spec.adds()) x = summed(x, args.added);
    const Counted of_mask = counted(args.mask);
    leave_out(x, of_mask);
    const StatisticsOfBlocks<T> stats = p_.own_statistics() ? block_statistics(p_, x, of_mask) : running(args.state);
    Array<T> r(statistic_dims(), T(1)), d(statistic_dims(), T(0));
    if (p_.has_correction()) {
        // Constants: from the real parts; in f64 at least, since the running statistics are.
        using Real = std::conditional_t<fits_f64 || is_complex<T>, double, T>;
        std::vector<Real> mean(r.size()), var(r.size()), factor_r(r.size()), factor_d(r.size());
        for (std::size_t b = 0; b < r.size(); ++b) {
            mean[b] = convert<Real>(real_part(stats.mean.data()[b]));
            var[b] = convert<Real>(real_part(stats.var.data()[b]));
        }
        renorm_factors(p_, args.state, mean.data(), var.data(), factor_r.data(), factor_d.data(), args.mask);
        std::transform(factor_r.begin(), factor_r.end(), r.begin(), [](const Real& v) { return T(v); });
        std::transform(factor_d.begin(), factor_d.end(), d.begin(), [](const Real& v) { return T(v); });
    }
    save(stats, r, d, args.saved);
    const Array<T> gamma = factors(args.affine.gamma), beta = load_parameters(args.affine.beta, 0);
    Array<T> x_hat = corrected(normalized(x, stats.mean, stats.rstd), r, d);
    if (p_.spec.casts()) round_to_data(x_hat);
    Array<T> y = reference::forward(x_hat, gamma, beta);
    if (p_.spec.activates()) activate(y, args.affine.tau);
    leave_out(y, of_mask);
    if (p_.spec.quantizes()) quantize(y, args);
    else store(y, args.y);
}

template <class T>
void ReferencePlan<T>::backward(const BackwardArgs& args) const {
    const ConstSavedView& s = args.saved;
    const Counted of_mask = counted(args.mask);
    const Array<T> x = load(args.x), gamma = factors(args.affine.gamma);
    Array<T> dy = load(args.dy);
    const StatisticsOfBlocks<T> of{saved(s.mean, s, 0, 0), saved(s.var, s, 1, 0), saved(s.rstd, s, 2, 0)};
    const Array<T> r = saved(s.r, s, 3, 1), d = saved(s.d, s, 4, 0);
    Array<T> x_hat = normalized(x, of.mean, of.rstd);
    leave_out(x_hat, of_mask);
    if (p_.spec.activates()) {
        const Array<T> z = reference::forward(corrected(x_hat, r, d), gamma, load_parameters(args.affine.beta, 0));
        if (p_.spec.thresholds()) take_above(dy, z, args, of_mask);
        else multiply_by_slope(dy, z);
    }
    leave_out(dy, of_mask);
    Gradient<T> out = reference::backward(p_, x_hat, of, r, d, gamma, dy, of_mask);
    if (args.ds.data) out.dx += load(args.ds);
    if (args.gradients.d_residual.data) store(out.dx, args.gradients.d_residual);
    if (args.gradients.dx.data) store(out.dx, args.gradients.dx);
    store_parameters(out.dgamma, args.gradients.dgamma);
    store_parameters(out.dbeta, args.gradients.dbeta);
}

template <class T>
void ReferencePlan<T>::backward_backward(const BackwardBackwardArgs& args) const {
    const ConstSavedView& s = args.saved;
    const StatisticsOfBlocks<T> of{saved(s.mean, s, 0, 0), saved(s.var, s, 1, 0), saved(s.rstd, s, 2, 0)};
    const Array<T> r = saved(s.r, s, 3, 1), d = saved(s.d, s, 4, 0);
    const Array<T> v = args.cotangents.v.data ? load(args.cotangents.v) : Array<T>(dims(), T(0));
    const SecondGradient<T> out = reference::backward_backward(
        p_, normalized(load(args.x), of.mean, of.rstd), of, r, d, factors(args.affine.gamma), load(args.dy), v,
        load_parameters(args.cotangents.u, 0), load_parameters(args.cotangents.w, 0));
    if (args.gradients.ddx.data) store(out.ddx, args.gradients.ddx);
    if (args.gradients.ddy.data) store(out.ddy, args.gradients.ddy);
    store_parameters(out.ddgamma, args.gradients.ddgamma);
}

}  // namespace normlab::reference
