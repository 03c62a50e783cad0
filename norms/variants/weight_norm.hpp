#pragma once
#include "norms/norm.hpp"

namespace normlab {

/// Weight normalization: w = g * v / |v|, the norm over all elements of an output channel; x is v seen through
/// weight_shape (dim 0, 1, ... or none), gamma is g, y is w; dy is dw, dx is dv (orthogonal to v), dgamma is dg. A zero
/// v gives w = 0, dv = 0 and dg = 0 (eps = 0, rstd = 0). Salimans & Kingma 2016, equations 2 and 3.
inline Spec weight_norm() {
    return {.variant = "weight_norm",
            .block = {.samples = true, .positions = true},
            .moments = Moments::norm,
            .eps = 0,
            .weights = true};
}

/// g and b of the data-dependent initialisation: from pre-activations t = v.x / |v| of one batch, g = 1 / sigma[t], b =
/// -mu[t] / sigma[t] a channel, so that g * t + b has mean 0 and variance 1 (Salimans & Kingma 2016, section 3). A
///   channel of constant t gets g = 0.
struct WeightNormInit {
    std::vector<double> g, b;
};
WeightNormInit weight_norm_init(ConstTensor t, const Implementation& implementation = default_implementation());

}  // namespace normlab
