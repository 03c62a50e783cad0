#pragma once
// The loop that trains a net.

#include "studies/data/batches.hpp"
#include "studies/nn/loss.hpp"
#include "studies/nn/optimiser.hpp"
#include "studies/nn/sequential.hpp"

namespace normlab::nn {

/// A net, a data set, batches, cross-entropy of softmax, and an optimiser.
class Trainer {
public:
    Trainer(Sequential& net, Optimiser& optimiser, const data::Dataset& set, data::Sampler& sampler)
        : net_(net), optimiser_(optimiser), set_(set), sampler_(sampler),
          loss_(*net.setup().backend, LossKind::softmax), x_(net.setup().backend->device(), net.setup().dtype),
          targets_(x_.device(), x_.dtype()) {}

    /// Step k = 0, 1, ...; the batch's mean loss before it. Gradients and activations of the batch stay in the net.
    double step(std::int64_t k);

private:
    Sequential& net_;
    Optimiser& optimiser_;
    const data::Dataset& set_;
    data::Sampler& sampler_;
    Loss loss_;
    data::Batch batch_;
    Array x_, targets_;
};

}  // namespace normlab::nn
