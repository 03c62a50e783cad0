#include <array>

#include "norms/names.hpp"
#include "verify/checks/all.hpp"

namespace normlab::verify {

std::span<const Check> checks() {
    static const std::array all{accuracy_check, kappa_slope_check, tiled_check,
                                derivatives_check, adjoint_check, taylor_check, jacobian_check,
                                zero_sum_check, xhat_dx_check, symmetry_check,
                                scale_invariance_check, bias_invariance_check, invariance_table_check,
                                identity_check, chain_rule_check, cross_variant_check,
                                running_stats_check, fold_check, recalibrate_check, ghost_batch_check,
                                gradient_masks_check, power_of_two_check, permutation_check, batch_independence_check, exact_statistics_check,
                                repeat_check, contracts_check, isolation_check, refusal_check, empty_check};
    return all;
}

const Check& find_check(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Check& c : checks()) {
        if (c.name == name) return c;
        names.push_back(c.name);
    }
    for (std::string_view quantity : {"y", "dx", "dgamma", "dbeta"}) {
        if (quantity == name) return checks()[0];
        names.push_back(quantity);
    }
    throw Error(unknown("check", name, names));
}

}  // namespace normlab::verify
