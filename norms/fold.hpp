#pragma once
// A norm folded into the linear layer next to it, so that at inference it costs nothing: evaluation of a norm with
// running statistics into the layer before it, and gamma and beta of any norm into the layer behind it.
//
// The layer is z[o] = sum over i and k of W[o, i, k] a[i, k] + b[o]: dense where the kernel has one element, otherwise
// a convolution. Arrays are contiguous, on the host, and hold the layer's dtype; W_to may be W and b_to may be b. Each
// folded value is computed in f64 and rounded once.

#include <cstdint>
#include <vector>

#include "norms/norm.hpp"

namespace normlab {

/// How W is laid out: W[out, in / groups, kernel], transposed convolutions W[in, out / groups, kernel], as in PyTorch.
struct LinearLayer {
    std::int64_t in = 0, out = 0;  ///< channels; both divisible by groups
    std::int64_t kernel = 1;       ///< elements of the kernel, the product of its sizes; 1 for a dense layer
    std::int64_t groups = 1;
    bool transposed = false;
    bool zero_padded = false;  ///< some outputs sum over less than all of the kernel
    DType dtype = DType::f32;  ///< of W and b

    std::int64_t weights() const { return in / groups * out * kernel; }
};
struct Weights {
    const void *W = nullptr, *b = nullptr;  ///< b null: the layer has none
};
struct FoldedWeights {
    void *W = nullptr, *b = nullptr;  ///< weights() and `out` elements, all written; neither is null
};

/// How far an output of the folded layer may be off, apart from how its sum is formed:
///   |z'[o] - z[o]| <= relative * sum |W'[o, i, k] a[i, k]| + smallest * sum |a[i, k]| + bias[o]
/// relative: the rounding of W', and of its factor in f64. smallest: half the smallest subnormal number. bias[o]: the
/// rounding of b'[o], which is large where its terms are, although they may cancel in the output: in f32 and narrower
/// types a folded norm loses a factor kappa = sqrt(1 + mean^2 / var) of accuracy that the norm itself need not lose.
struct FoldBound {
    double relative = 0, smallest = 0;
    std::vector<double> bias;
};

/// The norm comes behind the layer: z = scale * (W a + b) + shift. W'[o] = scale[o] W[o], b'[o] = scale[o] b[o] +
/// shift[o], with the scale and shift of `fold` in norms/norm.hpp for the same first four arguments. Throws Error if
/// the variant keeps no running statistics, or if the norm has not `out` channels.
FoldBound fold_into_layer_before(const Spec& spec, const State& state, Affine affine, DType params,
                                 const LinearLayer& layer, Weights from, FoldedWeights to);

/// The norm comes before the layer and keeps its statistics: z = W (gamma * x_hat + beta) + b. W'[o, i] = W[o, i]
/// gamma[i], b'[o] = b[o] + sum over i and k of W[o, i, k] beta[i]; afterwards the norm has neither gamma nor beta.
/// gamma and beta have `in` elements of `params`. Throws Error if beta is there and not 0 and the layer is zero-padded,
/// or transposed with a kernel of more than one element: their outputs at the border sum over a part of the kernel, so
/// that no single b' is right.
FoldBound fold_into_layer_behind(Affine affine, DType params, const LinearLayer& layer, Weights from, FoldedWeights to);

}  // namespace normlab
