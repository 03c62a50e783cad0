#pragma once
// Losses: the mean over a batch of a sample's loss, with its gradient by the net's output.

#include "studies/nn/layer.hpp"

namespace normlab::nn {

/// softmax: cross-entropy -sum_k t_k log softmax(x)_k. squared: mean over outputs of (x_k - t_k)^2.
enum class LossKind { softmax, squared };

class Loss {
public:
    Loss(Backend& backend, LossKind kind) : backend_(backend), kind_(kind), losses_(backend.device(), DType::f64) {}

    /// Writes the gradient of the mean loss by x; targets have x's Dims (for classes: 1 at the label, else 0). Throws
    /// Error where the Dims differ.
    void run(const Array& x, const Array& targets, Array& dx);
    /// Of the last run.
    double value();                                                ///< the mean
    std::vector<double> each() const { return losses_.values(); }  ///< a sample each

private:
    Backend& backend_;
    LossKind kind_;
    Array losses_;
    std::vector<double> host_;
};

}  // namespace normlab::nn
