// The list of the checks, in the order of tables. Each is a constant in a file here.

#include <array>

#include "norms/names.hpp"
#include "verify/check/compare.hpp"
#include "verify/truth/quantities.hpp"

// A line a kind of check. clang-format would make a staircase of it.
// clang-format off
#define NORMLAB_CHECKS(CHECK) \
    CHECK(accuracy) CHECK(kappa_slope) CHECK(tiled) CHECK(subnormals) \
    CHECK(derivatives) CHECK(adjoint) CHECK(taylor) CHECK(jacobian) \
    CHECK(zero_sum) CHECK(xhat_dx) CHECK(symmetry) \
    CHECK(scale_invariance) CHECK(bias_invariance) CHECK(invariance_table) \
    CHECK(identity) CHECK(chain_rule) CHECK(cross_variant) \
    CHECK(running_stats) CHECK(fold) CHECK(recalibrate) CHECK(ghost_batch) CHECK(sequence) \
    CHECK(gradient_masks) CHECK(power_of_two) CHECK(permutation) CHECK(batch_independence) CHECK(exact_statistics) \
    CHECK(double_backward) CHECK(double_derivatives) CHECK(double_identities) CHECK(double_isolation) \
    CHECK(repeat) CHECK(reuse) CHECK(threads) CHECK(many_calls) CHECK(combinations) \
    CHECK(contracts) CHECK(gaps) CHECK(isolation) CHECK(refusal) CHECK(empty) CHECK(exhaustive)
// clang-format on

namespace normlab::verify {

#define DECLARED(name) extern const Check name##_check;
#define LISTED(name) name##_check,
NORMLAB_CHECKS(DECLARED)

std::span<const Check> checks() {
    static const std::array all{NORMLAB_CHECKS(LISTED)};
    return all;
}
#undef DECLARED
#undef LISTED

const Check& find_check(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Check& c : checks()) {
        if (c.name == name) return c;
        names.push_back(c.name);
    }
    for (const QuantityRow& q : quantities::outputs()) {
        if (q.name == name) return checks()[0];
        names.push_back(q.name);
    }
    throw Error(unknown("check", name, names));
}

}  // namespace normlab::verify
