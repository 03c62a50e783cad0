#include "studies/nn/sequential.hpp"

#include <fmt/format.h>

namespace normlab::nn {
namespace {

// Streams of random numbers: a layer's is its net's with 8 bits more, its number among those that draw, a part's its
// layer's with one bit more, so that none are equal.
std::uint32_t deeper(std::uint32_t stream, int bits, std::uint32_t index) {
    if (stream >> (32 - bits)) throw Error("residual layers inside each other more than two deep; two are accepted");
    return stream << bits | index;
}

Setup part(Setup setup, std::uint32_t index) {
    setup.stream = deeper(setup.stream, 1, index);
    return setup;
}

}  // namespace

Setup Sequential::next(bool draws) {
    if (layers_.size() == 255) throw Error("a net of 256 layers; up to 255 are accepted");
    Setup setup = setup_;
    setup.stream = deeper(setup_.stream, 8, draws ? ++drawing_ : 0);
    return setup;
}

void Sequential::append(std::unique_ptr<Layer> layer) {
    layers_.push_back(std::move(layer));
    outputs_.emplace_back(setup_.backend->device(), setup_.dtype);
    gradients_.emplace_back(setup_.backend->device(), setup_.dtype);
}

std::string Sequential::name() const {
    std::string names;
    for (const auto& layer : layers_) names += (names.empty() ? "" : ", ") + layer->name();
    return names;
}

std::vector<Parameter*> Sequential::parameters() const {
    std::vector<Parameter*> all;
    for (const auto& layer : layers_) std::ranges::copy(layer->parameters(), std::back_inserter(all));
    return all;
}

const Array& Sequential::forward(const Array& x, const Pass& pass) {
    if (x.dims().N == 0) throw Error("an empty batch; at least one sample is accepted");
    if (x.dtype() != setup_.dtype) throw Error("the input's dtype is not the net's");
    const Array* in = &x;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        layers_[i]->forward(*in, outputs_[i], pass);
        in = &outputs_[i];
    }
    return *in;
}

void Sequential::backward(const Array& x, const Array& dy, Array* dx) {
    const Array* above = &dy;
    for (std::size_t i = layers_.size(); i-- > 0;) {
        Array* below = i > 0 ? &gradients_[i - 1] : dx;
        layers_[i]->backward(i > 0 ? outputs_[i - 1] : x, outputs_[i], *above, below);
        above = below;
    }
}

Residual::Residual(const Setup& setup)
    : Layer(setup), branch_(part(setup, 0)), shortcut_(part(setup, 1)), shortcut_dx_(array()) {}

std::string Residual::name() const {
    return fmt::format("residual ({}){}", branch_.name(), shortcut_.size() ? " + (" + shortcut_.name() + ")" : "");
}

std::vector<Parameter*> Residual::parameters() {
    std::vector<Parameter*> all = branch_.parameters();
    std::ranges::copy(shortcut_.parameters(), std::back_inserter(all));
    return all;
}

void Residual::forward(const Array& x, Array& y, const Pass& pass) {
    const Array &branch = branch_.forward(x, pass), &shortcut = shortcut_.forward(x, pass);
    if (branch.dims() != shortcut.dims())
        throw Error(fmt::format("{}: the branch gives {} x {} x {}, the shortcut {} x {} x {}; the same is accepted",
                                name(), branch.dims().H, branch.dims().W, branch.dims().C, shortcut.dims().H,
                                shortcut.dims().W, shortcut.dims().C));
    y.resize(branch.dims());
    backend().add(branch.tensor(), shortcut.tensor(), y.tensor());
}

void Residual::backward(const Array& x, const Array&, const Array& dy, Array* dx) {
    branch_.backward(x, dy, dx);
    if (shortcut_.size()) shortcut_.backward(x, dy, dx ? &shortcut_dx_ : nullptr);
    if (dx) backend().add(dx->tensor(), (shortcut_.size() ? shortcut_dx_ : dy).tensor(), dx->tensor());
}

}  // namespace normlab::nn
