#pragma once
// How others judge a layer: our implementations of their rules as described, on the data they use by default (kappa and
// sigma about 1). They see an implementation's forward and backward and nothing else.

#include <span>

#include "verify/check/check.hpp"
#include "verify/faults/fault.hpp"

namespace normlab::verify::faults {

/// Rules with a reference call the layer in f32, the others in f64.
struct Rival {
    std::string_view name, rule;
    DType dtype;
    bool (*passes)(const Implementation&, const Inputs<double>&);
};

/// gradcheck slow: each entry of the Jacobian, (f(x + h) - f(x - h)) / 2h with h = 1e-6, |a - n| <= 1e-5 + 1e-3 |n|;
/// backward twice gives the same
///   (torch.autograd.gradcheck, its defaults).
/// gradcheck fast: v.J u with u, v uniform in (0, 1) and of length 1, |a - n| <= 1e-5 sum u sum v + 1e-3 |n| (the same
/// with fast_mode). check_grads: t.J^T c against (f(x + h t) - f(x - h t)).c / 2h, t and c normal, all arguments at
/// once, h = 1e-4, |a - n| <= 1e-5 + 1e-5 |n|
///   (jax.test_util.check_grads, order 1, reverse, f64; its second order needs a double backward, which norms do not
///     have here).
/// fixed step: every derivative of sum dy y by a central difference with h = 1e-4, |a - n| <= 1e-6 + 1e-4 |n|.
/// benchdnn: forward, each element of y within 6e-7 of a reference in f32, relative to |y| (absolutely where |y| <=
/// 1e-5), or to |y - beta| where
///   that is larger; mean and variance equal in f32. Backward, the l2 norm of the difference to a reference over its
///     own, at most 6e-7 for dx, 5e-6 for
///   dgamma and dbeta (oneDNN's benchdnn for f32 batch norm, bnorm.cpp and compare.cpp; data in pairs about a mean of
///     about twice their spread,
///   eps = 1/16).
std::span<const Rival> rivals();

/// What a rival is given for a variant: 3x4x4, in benchdnn's case 8x4x6. Batch renorm's running statistics are far off
/// in training, so that r and d are constants.
Inputs<double> rival_inputs(const Rival& rival, std::string_view variant, Mode mode);

/// Whether the rule finds something on one of the variants and modes that the fault can show in; of the layer without a
/// fault: on any.
bool finds(const Rival& rival, const Fault* fault);

}  // namespace normlab::verify::faults
