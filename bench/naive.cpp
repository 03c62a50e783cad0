#include "bench/naive.hpp"

#include <algorithm>
#include <array>

#include <xtensor/xadapt.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>

#include "norms/activation.hpp"
#include "norms/registry.hpp"
#include "norms/running_stats.hpp"

namespace normlab::bench {
namespace {

// Arrays are [N, G, D, S] or, channels-last and where S = 1 (a last axis of length 1 is slow), [N, S, G, D], in the
// memory that the caller gave; statistics keep their reduced axes with length 1 and broadcast. The reference, which
// carries slices and other scalars too, is written differently; nothing is shared with it.
template <class T>
class NaivePlan final : public Plan {
    using Array = xt::xtensor<T, 4>;
    using Dims = std::array<std::size_t, 4>;

public:
    explicit NaivePlan(const Problem& p) : p_(p), first_(p.layout == Layout::channels_first && p.shape.S > 1) {}

    void forward(const ForwardArgs& args) const override {
        if (p_.spec.adds()) {
            auto s = view(args.added.s.data);
            s = view(args.x.data) + view(args.added.residual.data);
        }
        const auto x = view(p_.spec.adds() ? static_cast<const void*>(args.added.s.data) : args.x.data);
        const auto gamma = parameters(args.affine.gamma, T(1)), beta = parameters(args.affine.beta, T(0));
        auto y = view(args.y.data);
        if (!p_.own_statistics()) {
            Array mean = from_f64(args.state.mean, parameter_dims()), rstd = mean;
            Array sigma = from_f64(args.state.sigma ? args.state.sigma : args.state.var, parameter_dims());
            if (!args.state.sigma) sigma = xt::sqrt(sigma + T(p_.spec.eps));
            rstd = T(1) / sigma;
            const Array var = sigma * sigma - T(p_.spec.eps);
            keep(mean, var, rstd, args.saved);
            y = gamma * (x - mean) * rstd + beta;
            activate(y);
            return;
        }
        const auto axes = block_axes();
        Array mean, var;
        if (p_.spec.centred()) {
            mean = xt::mean<T>(x, axes, xt::keep_dims);
            var = xt::sum<T>(xt::square(x - mean), axes, xt::keep_dims) / T(p_.divisor());
        } else {
            mean = xt::zeros<T>(statistic_dims());
            var = xt::sum<T>(xt::square(x), axes, xt::keep_dims) / T(p_.divisor());
        }
        Array sigma = var;
        for (T& v : sigma) v = sigma_of<T>(p_.spec, v);
        const Array rstd = xt::where(xt::equal(sigma, T(0)), T(0), T(1) / sigma);
        keep(mean, var, rstd, args.saved);
        if (p_.has_correction()) {
            for (std::size_t c = 0; c < mean.size(); ++c) {
                const double spread = args.state.sigma ? args.state.sigma[c] : args.state.var[c];
                const auto f = renorm_factors<double>(p_.spec, args.saved.mean[c], sigma.data()[c], args.state.mean[c],
                                                      running_sigma(p_.spec, spread));
                args.saved.r[c] = f.r, args.saved.d[c] = f.d;
            }
            const Array r = from_f64(args.saved.r, statistic_dims()), d = from_f64(args.saved.d, statistic_dims());
            y = gamma * ((x - mean) * rstd * r + d) + beta;
        } else {
            y = gamma * (x - mean) * rstd + beta;
        }
        activate(y);
    }

    void backward(const BackwardArgs& args) const override {
        const auto x = view(args.x.data);
        Array dy = view(args.dy.data);
        const auto gamma = parameters(args.affine.gamma, T(1));
        const Dims dims = p_.own_statistics() ? statistic_dims() : parameter_dims();
        const Array mean = from_f64(args.saved.mean, dims), rstd = from_f64(args.saved.rstd, dims);
        const Array x_hat = (x - mean) * rstd;
        if (p_.spec.activates()) {
            const auto beta = parameters(args.affine.beta, T(0));
            const Array z =
                args.saved.r
                    ? Array(gamma * (x_hat * from_f64(args.saved.r, dims) + from_f64(args.saved.d, dims)) + beta)
                    : Array(gamma * x_hat + beta);
            std::ranges::transform(z, dy, dy.begin(),
                                   [this](T v, T w) { return w * activation_slope(p_.spec.activation, v); });
        }
        Array g = gamma * dy;
        if (args.saved.r) g *= from_f64(args.saved.r, dims);
        void *own = args.gradients.dx.data, *of_residual = args.gradients.d_residual.data;
        if (own || of_residual) {
            auto dx = view(own ? own : of_residual);
            const auto axes = block_axes();
            if (!p_.own_statistics()) {
                dx = rstd * g;
            } else {
                Array slope = from_f64(args.saved.var, dims);
                for (T& v : slope) v = slope_of<T>(p_.spec, v);
                const Array mean_g_x_hat = xt::sum<T>(g * x_hat, axes, xt::keep_dims) * slope / T(p_.divisor());
                if (p_.spec.centred()) {
                    const Array mean_g = xt::mean<T>(g, axes, xt::keep_dims);
                    dx = rstd * (g - mean_g - x_hat * mean_g_x_hat);
                } else {
                    dx = rstd * (g - x_hat * mean_g_x_hat);
                }
            }
            if (args.ds.data) dx += view(args.ds.data);
            if (own && of_residual) std::copy_n(static_cast<const T*>(own), dx.size(), static_cast<T*>(of_residual));
        }
        const auto axes = other_than_channels();
        const auto store = [](const Array& values, void* to) {
            std::copy(values.begin(), values.end(), static_cast<T*>(to));
        };
        if (args.gradients.dgamma && args.saved.r)
            store(xt::sum<T>(dy * (x_hat * from_f64(args.saved.r, dims) + from_f64(args.saved.d, dims)), axes,
                             xt::keep_dims),
                  args.gradients.dgamma);
        else if (args.gradients.dgamma) store(xt::sum<T>(dy * x_hat, axes, xt::keep_dims), args.gradients.dgamma);
        if (args.gradients.dbeta) store(xt::sum<T>(dy, axes, xt::keep_dims), args.gradients.dbeta);
    }

private:
    void activate(auto& y) const {
        if (p_.spec.activates())
            for (auto& v : y) v = activated(p_.spec.activation, T(v));
    }

    Dims in_order(std::int64_t n, std::int64_t g, std::int64_t d, std::int64_t s) const {
        const auto N = static_cast<std::size_t>(n), G = static_cast<std::size_t>(g), D = static_cast<std::size_t>(d),
                   S = static_cast<std::size_t>(s);
        return first_ ? Dims{N, G, D, S} : Dims{N, S, G, D};
    }
    Dims dims() const { return in_order(p_.shape.N, p_.spec.groups, p_.channels_per_group(), p_.shape.S); }
    Dims parameter_dims() const { return in_order(1, p_.spec.groups, p_.channels_per_group(), 1); }
    Dims statistic_dims() const {
        const Axes& b = p_.spec.block;
        return in_order(b.samples ? 1 : p_.shape.N, b.groups ? 1 : p_.spec.groups,
                        b.channels ? 1 : p_.channels_per_group(), b.positions ? 1 : p_.shape.S);
    }
    std::vector<std::size_t> block_axes() const {
        const Axes& b = p_.spec.block;
        std::vector<std::size_t> axes;
        if (b.samples) axes.push_back(0);
        if (b.positions && !first_) axes.push_back(1);
        if (b.groups) axes.push_back(first_ ? 1 : 2);
        if (b.channels) axes.push_back(first_ ? 2 : 3);
        if (b.positions && first_) axes.push_back(3);
        return axes;
    }
    std::vector<std::size_t> other_than_channels() const {
        return first_ ? std::vector<std::size_t>{0, 3} : std::vector<std::size_t>{0, 1};
    }

    auto view(const void* data) const {
        return xt::adapt(static_cast<const T*>(data), static_cast<std::size_t>(p_.shape.size()), xt::no_ownership(),
                         dims());
    }
    auto view(void* data) const {
        return xt::adapt(static_cast<T*>(data), static_cast<std::size_t>(p_.shape.size()), xt::no_ownership(), dims());
    }

    Array parameters(const void* data, T absent) const {
        Array a(parameter_dims(), absent);
        if (data) std::copy_n(static_cast<const T*>(data), a.size(), a.begin());
        return a;
    }
    static Array from_f64(const double* values, const Dims& dims) {
        Array a(dims);
        std::transform(values, values + a.size(), a.begin(), [](double v) { return static_cast<T>(v); });
        return a;
    }
    // Saved is in the order [N, G, D, S] of the blocks, in memory order only where the layout is.
    void keep(const Array& mean, const Array& var, const Array& rstd, const SavedView& saved) const {
        std::copy(mean.begin(), mean.end(), saved.mean);
        std::copy(var.begin(), var.end(), saved.var);
        std::copy(rstd.begin(), rstd.end(), saved.rstd);
    }

    Problem p_;
    bool first_;
};

class Naive final : public Implementation {
public:
    std::string name() const override { return "naive"; }
    std::string description() const override { return "plain xtensor expressions on the caller's memory, one thread"; }
    Support supports(const Problem& p) const override {
        if (p.dtype != DType::f32 && p.dtype != DType::f64) return {"it works in f32 and f64"};
        if (p.device != Device::host || !p.dense()) return {"it works on dense host memory"};
        if (is_narrow(p.params())) return {"its gamma and beta are f32, or f64"};
        if (p.spec.gamma_offset != 0) return {"it adds no offset to gamma"};
        if (p.spec.affine_set != AffineSet::channel) return {"it has gamma and beta one a channel"};
        if (p.spec.casts()) return {"it does not round x_hat before gamma"};
        if (p.spec.masked) return {"it leaves nothing out"};
        if (p.spec.thresholds()) return {"it has no threshold"};
        if (p.spec.is_partial()) return {"its statistics are of whole blocks"};
        if (p.outputs() != p.dtype) return {"it writes y in the data's type"};
        if (p.slices() > 1) return {"it has no stat_batch"};
        return {};
    }
    std::unique_ptr<Plan> plan(const Problem& p) const override {
        if (p.dtype == DType::f64) return std::make_unique<NaivePlan<double>>(p);
        return std::make_unique<NaivePlan<float>>(p);
    }
};

}  // namespace

void register_naive() {
    static const Implementation& registered = register_implementation(std::make_unique<Naive>());
    static_cast<void>(registered);
}

}  // namespace normlab::bench
