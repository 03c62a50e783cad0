#include "studies/nn/layers.hpp"

#include <fmt/format.h>

namespace normlab::nn {
namespace {

Image image(const Array& x) { return {x.dims().H, x.dims().W, x.dims().C}; }

}  // namespace

void Relu::forward(const Array& x, Array& y, const Pass&) {
    y.resize(x.dims());
    backend().relu(x.tensor(), y.tensor());
}

void Relu::backward(const Array&, const Array& y, const Array& dy, Array* dx) {
    if (!dx) return;
    dx->resize(y.dims());
    backend().relu_gradient(y.tensor(), dy.tensor(), dx->tensor());
}

void Sigmoid::forward(const Array& x, Array& y, const Pass&) {
    y.resize(x.dims());
    backend().sigmoid(x.tensor(), y.tensor());
}

void Sigmoid::backward(const Array&, const Array& y, const Array& dy, Array* dx) {
    if (!dx) return;
    dx->resize(y.dims());
    backend().sigmoid_gradient(y.tensor(), dy.tensor(), dx->tensor());
}

void MaxPool::forward(const Array& x, Array& y, const Pass&) {
    const Dims& d = x.dims();
    if (d.H < 2 || d.W < 2) throw Error(fmt::format("max pool 2x2 of {} x {}; at least 2 x 2 is accepted", d.H, d.W));
    y.resize({d.N, d.C, d.H / 2, d.W / 2});
    backend().max_pool(image(x), x.tensor(), y.tensor());
}

void MaxPool::backward(const Array& x, const Array& y, const Array& dy, Array* dx) {
    if (!dx) return;
    dx->resize(x.dims());
    backend().max_pool_gradient(image(x), x.tensor(), y.tensor(), dy.tensor(), dx->tensor());
}

void AveragePool::forward(const Array& x, Array& y, const Pass&) {
    y.resize({x.dims().N, x.dims().C});
    backend().average_pool(image(x), x.tensor(), y.tensor());
}

void AveragePool::backward(const Array& x, const Array&, const Array& dy, Array* dx) {
    if (!dx) return;
    dx->resize(x.dims());
    backend().average_pool_gradient(image(x), dy.tensor(), dx->tensor());
}

Dropout::Dropout(const Setup& setup, double rate) : Layer(setup), rate_(rate) {
    if (!(rate >= 0 && rate < 1)) throw Error(fmt::format("dropout rate {}; at least 0 and below 1 is accepted", rate));
}

std::string Dropout::name() const { return fmt::format("dropout {}", rate_); }

void Dropout::apply(const Array& x, Array& y) {
    y.resize(x.dims());
    const double rate = pass_.task == Task::train ? rate_ : 0;
    backend().dropout(rate, setup().random(static_cast<std::uint32_t>(pass_.step)), x.tensor(), y.tensor());
}

void Dropout::forward(const Array& x, Array& y, const Pass& pass) {
    pass_ = pass;
    apply(x, y);
}

void Dropout::backward(const Array&, const Array&, const Array& dy, Array* dx) {
    if (dx) apply(dy, *dx);
}

}  // namespace normlab::nn
