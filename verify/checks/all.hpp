#pragma once
// The checks, one constant each; table.cpp lists them.

#include "verify/check/compare.hpp"

namespace normlab::verify {

extern const Check accuracy_check, kappa_slope_check, tiled_check;
extern const Check derivatives_check, adjoint_check, taylor_check, jacobian_check;
extern const Check zero_sum_check, xhat_dx_check, symmetry_check;
extern const Check scale_invariance_check, bias_invariance_check, invariance_table_check;
extern const Check identity_check, chain_rule_check, cross_variant_check;
extern const Check running_stats_check, fold_check, recalibrate_check, ghost_batch_check;
extern const Check gradient_masks_check;
extern const Check power_of_two_check, permutation_check, batch_independence_check, exact_statistics_check;
extern const Check repeat_check, contracts_check;
extern const Check isolation_check, refusal_check, empty_check;

}  // namespace normlab::verify
