#pragma once
// The small convolutional net of the studies, and the loop that trains a net.

#include <functional>
#include <optional>

#include "studies/data/batches.hpp"
#include "studies/nn/norm.hpp"
#include "studies/nn/optimiser.hpp"
#include "studies/nn/sequential.hpp"

namespace normlab::nn {

struct ConvNet {
    std::int64_t H = 14, W = 14;                     ///< of the images
    std::vector<std::int64_t> channels{8, 16, 32};   ///< of each convolution
    int classes = 10;
    std::optional<Spec> norm;   ///< after each convolution, before its ReLU; with gamma and beta, and the convolution without a bias
    NormOptions options;
    bool weight_norm = false;                        ///< of convolutions and dense layer
};

/// x[N, H, W, 1]: (3x3 convolution, norm, ReLU) for each of `channels`, max pooling 2x2 between them, dense from all positions.
/// Throws Error for no channels, and for images that pooling leaves nothing of.
Sequential conv_net(const Setup& setup, const ConvNet& settings);

/// Steps first ... last - 1 by cross-entropy: the sampler's batch of the step, forward, backward, a step of the optimiser, `done(step + 1)`.
void train(Sequential& net, Optimiser& optimiser, const data::Dataset& set, data::Sampler& sampler, std::int64_t first, std::int64_t last,
           const std::function<void(std::int64_t steps)>& done);

}  // namespace normlab::nn
