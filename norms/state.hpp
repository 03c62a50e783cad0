#pragma once
// What a call takes and gives beside its tensors: running statistics, saved statistics, parameters and gradients, and
// views of them where the tensors live.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "norms/spec.hpp"

namespace normlab {

/// Running statistics, owned by the caller, always f64. One entry a channel. `var` is used by Running::*_variance,
/// `sigma` (a standard deviation with eps inside its root, as in Ioffe 2017) by Running::sigma; the other stays empty.
struct State {
    std::vector<double> mean, var, sigma;
    std::int64_t count = 0;  ///< updates made so far
};

/// What forward keeps for backward, owned by the caller, always f64. One entry a block in geometry order (slice or
/// sample, then channel, group or position); one entry a channel where the statistics came from State.
struct Saved {
    /// var as in the formulas of norm.hpp: biased, without eps; empty where the implementation does not save it
    std::vector<double> mean, var, rstd;
    std::vector<double> r, d;       ///< batch renorm in training; otherwise empty
    std::vector<std::byte> opaque;  ///< the implementation's own
};

/// gamma and beta; each may be absent (1 and 0). tau, of their type and entries, is there where the layer has a
/// threshold (Activation::threshold), and nowhere else.
struct Affine {
    const void* gamma = nullptr;
    const void* beta = nullptr;
    const void* tau = nullptr;
};

/// What backward is to write; leave `dx.data`, `dgamma`, `dbeta` or `dtau` null and it is neither computed nor written.
struct Gradients {
    Tensor dx;
    void* dgamma = nullptr;
    void* dbeta = nullptr;
    Tensor d_residual = {};  ///< of a layer with a residual
    void* dtau = nullptr;    ///< of a layer with a threshold
};

/// Of a layer with a residual (Spec::residual): what forward reads and writes beside x and y. s may be residual (the
/// same view).
struct Added {
    ConstTensor residual;
    Tensor s;
};

/// Of a layer with a mask (Spec::masked): a byte for each sample and position, [N][S] whatever the layout and strides
/// of the data; 0: left out, in all channels. Null without one.
using Mask = const std::uint8_t*;

/// Statistics where the tensors live (host or device). `count` is on the host.
struct StateView {
    double *mean = nullptr, *var = nullptr, *sigma = nullptr;
    std::int64_t* count = nullptr;
};
template <class Double, class Byte>
struct BasicSavedView {
    Double *mean = nullptr, *var = nullptr, *rstd = nullptr, *r = nullptr, *d = nullptr;
    Byte* opaque = nullptr;
    constexpr operator BasicSavedView<const Double, const Byte>() const { return {mean, var, rstd, r, d, opaque}; }
};
using SavedView = BasicSavedView<double, std::byte>;
using ConstSavedView = BasicSavedView<const double, const std::byte>;

/// What backward_backward weighs the gradients with: cotangents of dx, dgamma and dbeta. Leave one null: 0.
struct Cotangents {
    ConstTensor v;
    const void* u = nullptr;
    const void* w = nullptr;
};

/// What backward_backward is to write; leave one null and it is neither computed nor written.
struct SecondGradients {
    Tensor ddx, ddy;
    void* ddgamma = nullptr;
};

}  // namespace normlab
