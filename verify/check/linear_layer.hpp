#pragma once
// A dense or convolutional layer with a norm: y = norm(W u + b), or y = norm(W) u + b for a norm of weights. The
// weights, inputs and biases drawn are small whole numbers, so that W u, 3 W u and W u + b are exact in every dtype and
// a test sees the norm's own error only.

#include "verify/case/draw.hpp"
#include "verify/truth/bounds.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {

struct LinearLayer {
    Shape shape;                       ///< of the output: N, C, positions
    std::vector<double> weight;        ///< [C][K]
    std::vector<double> input;         ///< u; its order is the layer's own business
    std::vector<double> bias;          ///< C values
    std::vector<std::size_t> gather;   ///< [K][N * S]: which element of u each product takes; `padding` for a zero
    std::vector<std::size_t> feature;  ///< of each element of u: its input feature or input channel
    std::vector<std::size_t> sample;   ///< of each element of u: its sample
    static constexpr std::size_t padding = static_cast<std::size_t>(-1);

    std::size_t fan_in() const { return weight.size() / static_cast<std::size_t>(shape.C); }
};

/// Dense with 8 features if shape.S = 1, otherwise a 2x2 convolution of 2 channels (3x3 if zero-padded) whose output
/// has shape.S positions.
LinearLayer draw_linear_layer(const Shape& shape, bool zero_padded, Random& random);

/// What the norm in the layer is given besides its input.
struct NormSettings {
    Problem problem;  ///< shape: the layer's output
    std::vector<double> gamma, beta;
    State state;
    std::vector<double> dy;  ///< empty: forward only
};

/// Values with the bounds on their errors.
struct LinearLayerOutputs {
    std::vector<double> y, d_weight, d_input, d_bias;
    std::vector<double> y_bound, d_weight_bound, d_input_bound, d_bias_bound;
    Inputs<double> norm_inputs;
    truth::Result truth;
};

LinearLayerOutputs run_linear_layer(const LinearLayer& layer, const NormSettings& norm,
                                    const Implementation& implementation);

}  // namespace normlab::verify
