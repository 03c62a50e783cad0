#pragma once
// Multi-layer perceptrons.

#include "norms/variants/batch_norm.hpp"
#include "studies/nn/layers.hpp"
#include "studies/nn/linear.hpp"
#include "studies/nn/norm.hpp"
#include "studies/nn/sequential.hpp"

namespace normlab::nn {

struct MlpOptions {
    std::int64_t in = 784, width = 100, layers = 3, out = 10;  ///< `layers` hidden ones
    bool sigmoid = false;                                      ///< otherwise relu
    /// between a hidden layer's weights and its activation, which then need no bias
    std::optional<Spec> norm;
    NormOptions norm_options;
    Init init;  ///< of all weights
};

/// in - (dense [norm] activation) x layers - dense. Hidden layers are numbered from 0.
class Mlp {
public:
    Mlp(const Setup& setup, const MlpOptions& options);

    Sequential& net() { return net_; }
    /// `layers` of them, and the output layer after those
    Dense& dense(std::int64_t hidden) { return *dense_[static_cast<std::size_t>(hidden)]; }
    /// In the last pass: what came into the layer, u (null for the first: the net's own input); W u + b; the
    /// activation's input, and what it gave.
    const Array* input(std::int64_t hidden) const { return hidden == 0 ? nullptr : &net_.output(place(hidden) - 1); }
    const Array& product(std::int64_t hidden) const { return net_.output(place(hidden)); }
    const Array& activation_input(std::int64_t hidden) const { return net_.output(place(hidden) + stride_ - 2); }
    const Array& activation(std::int64_t hidden) const { return net_.output(place(hidden) + stride_ - 1); }

private:
    std::size_t place(std::int64_t hidden) const { return static_cast<std::size_t>(hidden) * stride_; }

    Sequential net_;
    std::vector<Dense*> dense_;
    std::size_t stride_;
};

}  // namespace normlab::nn
