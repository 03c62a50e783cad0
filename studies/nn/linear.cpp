#include "studies/nn/linear.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "norms/variants/weight_norm.hpp"

namespace normlab::nn {
namespace {

constexpr std::uint32_t initial_weights = ~0u;  // a use of random numbers that is no step

Parameter parameter(const Setup& setup, std::string name, const Dims& dims, bool decays) {
    const Array empty(setup.backend->device(), setup.dtype);
    Parameter p{std::move(name), {empty.device(), empty.dtype()}, {empty.device(), empty.dtype()}, decays};
    p.value.resize(dims), p.gradient.resize(dims);
    p.value.fill(0), p.gradient.fill(0);
    return p;
}

}  // namespace

double Init::deviation(std::int64_t fan_in) const {
    return kind == Kind::gaussian ? scale : scale * std::sqrt(2 / static_cast<double>(fan_in));
}

Weights::Weights(const Setup& setup, std::int64_t out, std::int64_t fan_in, const LinearOptions& options)
    : v_(parameter(setup, options.weight_norm ? "v" : "weight", {out, fan_in}, true)) {
    const random::Stream stream = setup.random(initial_weights);
    std::vector<double> values(static_cast<std::size_t>(out * fan_in)), norms;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = options.init.deviation(fan_in) * stream.normal(i);
    v_.value.set(values);
    if (!options.weight_norm) return;
    const Implementation& implementation = find_implementation(options.implementation);
    const Device device = setup.backend->device();
    operation_.emplace(
        Problem{.spec = weight_norm(), .shape = {1, out, fan_in}, .dtype = setup.dtype, .device = device},
        implementation, Options{setup.threads, setup.backend->stream()});
    saved_.emplace(*operation_);
    w_ = {device, setup.dtype}, dw_ = {device, setup.dtype};
    w_.resize({out, fan_in}), dw_.resize({out, fan_in});
    for (auto v = values.begin(); v != values.end(); v += fan_in) {
        double squares = 0;
        for (std::int64_t k = 0; k < fan_in; ++k) squares += v[k] * v[k];
        norms.push_back(std::sqrt(squares));
    }
    g_ = parameter(setup, "g", {1, out}, false);
    g_.value.set(norms);
}

Tensor Weights::as_channels(const Array& a) const {
    return {a.tensor().data, a.dtype(), operation_->problem().shape, Layout::channels_first, a.device()};
}

void Weights::prepare() {
    if (operation_)
        operation_->forward(as_channels(v_.value), {g_.value.tensor().data}, {}, saved_->view(), as_channels(w_));
}

void Weights::finish() {
    if (!operation_) return;
    operation_->backward(as_channels(v_.value), as_channels(dw_), {g_.value.tensor().data}, saved_->view(),
                         {as_channels(v_.gradient), g_.gradient.tensor().data});
}

std::vector<Parameter*> Weights::parameters() {
    if (operation_) return {&v_, &g_};
    return {&v_};
}

Linear::Linear(const Setup& setup, std::int64_t out, std::int64_t fan_in, const LinearOptions& options)
    : Layer(setup), weights_(setup, out, fan_in, options) {
    if (options.bias) bias_ = parameter(setup, "bias", {1, out}, false);
}

std::vector<Parameter*> Linear::parameters() {
    std::vector<Parameter*> all = weights_.parameters();
    if (bias_) all.push_back(&*bias_);
    return all;
}

void Linear::forward(const Array& x, Array& y, const Pass& pass) {
    y.resize(output(x.dims()));
    // t = v x / |v|; then g = 1 / sigma[t], b = -mean[t] / sigma[t]
    if (pass.task == Task::initialise && weights_.normalised()) {
        weights_.set_norms(std::vector<double>(static_cast<std::size_t>(y.dims().C), 1.0));
        weights_.prepare();
        multiply(x, y);
        const WeightNormInit init = weight_norm_init(HostView(y).tensor);
        weights_.set_norms(init.g);
        if (bias_) bias_->value.set(init.b);
    }
    weights_.prepare();
    multiply(x, y);
    if (bias_) backend().add_bias(bias_->value.tensor(), y.matrix());
}

void Linear::backward(const Array& x, const Array&, const Array& dy, Array* dx) {
    if (dx) dx->resize(x.dims());
    multiply_back(x, dy, dx);
    weights_.finish();
    if (bias_) backend().sum_rows(dy.matrix(), bias_->gradient.tensor());
}

Dense::Dense(const Setup& setup, std::int64_t in, std::int64_t out, const LinearOptions& options)
    : Linear(setup, out, in, options), in_(in), out_(out) {}

std::string Dense::name() const {
    return fmt::format("dense {}-{}{}", in_, out_, weights_.normalised() ? " weight-normalised" : "");
}

Dims Dense::output(const Dims& x) const {
    if (x.features() != in_)
        throw Error(fmt::format("{}: a sample has {} x {} x {} features; {} are accepted", name(), x.H, x.W, x.C, in_));
    return {x.N, out_};
}

void Dense::multiply(const Array& x, Array& y) {
    backend().gemm({.transpose_b = true}, x.rows(), weights_.value().matrix(), y.matrix());
}

void Dense::multiply_back(const Array& x, const Array& dy, Array* dx) {
    backend().gemm({.transpose_a = true}, dy.matrix(), x.rows(), weights_.gradient().matrix());
    if (dx) backend().gemm({}, dy.matrix(), weights_.value().matrix(), dx->rows());
}

Conv::Conv(const Setup& setup, std::int64_t in, std::int64_t out, std::int64_t kernel, const LinearOptions& options)
    : Linear(setup, out, kernel * kernel * in, options), in_(in), out_(out), kernel_(kernel), columns_(array()),
      dcolumns_(array()) {
    if (kernel != 1 && kernel != 3)
        throw Error(fmt::format("a convolution of {0} x {0}; 1 x 1 and 3 x 3 are accepted", kernel));
}

std::string Conv::name() const {
    return fmt::format("conv {0}x{0} {1}-{2}{3}", kernel_, in_, out_,
                       weights_.normalised() ? " weight-normalised" : "");
}

Dims Conv::output(const Dims& x) const {
    if (x.C != in_) throw Error(fmt::format("{}: x has {} channels; {} are accepted", name(), x.C, in_));
    return {x.N, out_, x.H, x.W};
}

Image Conv::image(const Array& x) const { return {x.dims().H, x.dims().W, in_}; }

std::int64_t Conv::chunk(const Dims& x) const {
    if (kernel_ == 1) return std::max<std::int64_t>(x.N, 1);
    return std::clamp<std::int64_t>(backend().column_elements() / std::max<std::int64_t>(9 * x.features(), 1), 1,
                                    std::max<std::int64_t>(x.N, 1));
}

Tensor Conv::columns(const Array& x, std::int64_t first, std::int64_t samples) {
    if (kernel_ == 1) return x.slice(first, samples);
    columns_.resize({samples * x.dims().positions(), 9 * in_});
    backend().im2col(image(x), x.slice(first, samples), columns_.matrix());
    return columns_.matrix();
}

void Conv::multiply(const Array& x, Array& y) {
    for (std::int64_t first = 0, n = chunk(x.dims()); first < x.dims().N; first += n) {
        const std::int64_t samples = std::min(n, x.dims().N - first);
        backend().gemm({.transpose_b = true}, columns(x, first, samples), weights_.value().matrix(),
                       y.slice(first, samples));
    }
}

void Conv::multiply_back(const Array& x, const Array& dy, Array* dx) {
    for (std::int64_t first = 0, n = chunk(x.dims()); first < x.dims().N; first += n) {
        const std::int64_t samples = std::min(n, x.dims().N - first);
        const Tensor d = dy.slice(first, samples);
        backend().gemm({.transpose_a = true, .accumulate = first > 0}, d, columns(x, first, samples),
                       weights_.gradient().matrix());
        if (dx && kernel_ == 1) backend().gemm({}, d, weights_.value().matrix(), dx->slice(first, samples));
        if (!dx || kernel_ == 1) continue;
        dcolumns_.resize(columns_.dims());
        backend().gemm({}, d, weights_.value().matrix(), dcolumns_.matrix());
        backend().col2im(image(x), dcolumns_.matrix(), dx->slice(first, samples));
    }
}

}  // namespace normlab::nn
