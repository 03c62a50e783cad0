#pragma once
// Layers without parameters.

#include "studies/nn/layer.hpp"

namespace normlab::nn {

/// y = max(x, 0).
class Relu : public Layer {
public:
    using Layer::Layer;
    std::string name() const override { return "relu"; }
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
};

/// y = 1 / (1 + exp(-x)).
class Sigmoid : public Layer {
public:
    using Layer::Layer;
    std::string name() const override { return "sigmoid"; }
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
};

/// Largest of each 2x2, stride 2: H and W are halved, odd ones rounded down. The gradient goes to the first of the
/// largest.
class MaxPool : public Layer {
public:
    using Layer::Layer;
    std::string name() const override { return "max pool 2x2"; }
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
};

/// Mean over all positions: y[N, C].
class AveragePool : public Layer {
public:
    using Layer::Layer;
    std::string name() const override { return "average pool"; }
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
};

/// In training x / (1 - rate) or, with probability `rate`, 0; otherwise x (Srivastava et al. 2014). The mask depends on
/// seed, layer, step and element alone.
class Dropout : public Layer {
public:
    static constexpr bool draws = true;
    Dropout(const Setup& setup, double rate);  ///< 0 <= rate < 1, otherwise Error
    std::string name() const override;
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;

private:
    void apply(const Array& x, Array& y);

    double rate_;
    Pass pass_;
};

}  // namespace normlab::nn
