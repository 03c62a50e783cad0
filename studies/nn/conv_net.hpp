#pragma once
// The small convolutional net of the studies.

#include <optional>

#include "studies/nn/norm.hpp"
#include "studies/nn/sequential.hpp"

namespace normlab::nn {

struct ConvNet {
    std::int64_t H = 14, W = 14;                    ///< of the images
    std::vector<std::int64_t> channels{8, 16, 32};  ///< of each convolution
    int classes = 10;
    /// after each convolution, before its ReLU; with gamma and beta, and the convolution without a bias
    std::optional<Spec> norm;
    NormOptions options;
    bool weight_norm = false;  ///< of convolutions and dense layer
};

/// x[N, H, W, 1]: (3x3 convolution, norm, ReLU) for each of `channels`, max pooling 2x2 between them, dense from all
/// positions. Throws Error for no channels, and for images that pooling leaves nothing of.
Sequential conv_net(const Setup& setup, const ConvNet& settings);

}  // namespace normlab::nn
