// The testers tested: every planted fault is called FAIL by the check that should name it, and nothing is said of the
// layer without one.

#include <algorithm>
#include <array>
#include <set>

#include "tests/catch.hpp"
#include "tests/planted.hpp"
#include "verify/report/report.hpp"
#include "verify/run/plan.hpp"
#include "verify/run/run_cases.hpp"

using namespace normlab;

namespace {

// The checks that say FAIL of it, as "check variant"; of all, or of these checks.
std::set<std::string> failing_checks(const Implementation& implementation, std::vector<std::string> checks = {}) {
    verify::Selection selection;
    selection.implementations = {implementation.name()};
    selection.checks = std::move(checks);
    selection.dtypes = {DType::f64, DType::f32};
    selection.layouts = {Layout::channels_first};
    std::set<std::string> failed;
    for (const verify::Case& c : verify::plan(selection, verify::Tier::smoke)) {
        const verify::Outcome o = verify::run_case(c);
        for (const verify::Finding& f : o.findings)
            if (f.verdict == verify::Verdict::fail) failed.insert(c.check + " " + c.variant);
    }
    return failed;
}

void require_caught(const Implementation& implementation, const std::vector<std::string>& by) {
    std::vector<std::string> checks;
    for (const std::string& name : by) checks.push_back(name.substr(0, name.find(' ')));
    const std::set<std::string> failed = failing_checks(implementation, std::move(checks));
    for (const std::string& name : by) {
        CAPTURE(implementation.name(), name);
        CHECK(failed.contains(name));
    }
}

}  // namespace

TEST_CASE("nothing fails on the layer without a fault") { CHECK(failing_checks(planted::right()).empty()); }

TEST_CASE("a dropped mean term is named by zero_sum") {
    require_caught(planted::with_fault("mean_g_missing"),
                   {"zero_sum batch_norm", "zero_sum layer_norm", "zero_sum group_norm", "zero_sum instance_norm",
                    "derivatives batch_norm", "derivatives batch_renorm", "chain_rule layer_norm", "adjoint batch_norm",
                    "adjoint layer_norm", "taylor batch_norm", "taylor batch_renorm", "jacobian group_norm",
                    "jacobian channel_norm"});
}

TEST_CASE("a dropped x_hat term is named by xhat_dx") {
    require_caught(planted::with_fault("x_hat_term_missing"),
                   {"xhat_dx batch_norm", "xhat_dx layer_norm", "xhat_dx weight_norm", "xhat_dx rms_norm",
                    "derivatives batch_norm", "derivatives weight_norm", "adjoint weight_norm", "taylor rms_norm",
                    "taylor weight_norm", "jacobian instance_norm"});
}

TEST_CASE("eps outside the root is named by the accuracy of y, the identity and the law of eps") {
    require_caught(planted::with_fault("eps_outside"), {"accuracy batch_norm", "identity batch_norm",
                                                        "identity layer_norm", "scale_invariance batch_norm"});
}

TEST_CASE("an unbiased variance in the normalisation is named by the identity") {
    require_caught(planted::with_fault("var_unbiased"),
                   {"identity batch_norm", "identity group_norm", "accuracy batch_norm", "derivatives batch_norm"});
}

// The checks that look at running statistics.
static bool sees_state(const std::string& failed) {
    return std::ranges::any_of(std::array{"running_stats ", "tiled ", "combinations ", "reuse ", "sequence "},
                               [&](const char* check) { return failed.starts_with(check); });
}

TEST_CASE("a biased running variance is named by the checks that look at it, and by nothing else") {
    const std::set<std::string> failed = failing_checks(planted::with_fault("running_var_biased"));
    CHECK(failed.contains("running_stats batch_norm"));
    CHECK(failed.contains("running_stats instance_norm"));
    CHECK(std::ranges::all_of(failed, sees_state));
}

TEST_CASE("a reversed momentum is named by the same, and by ghost_batch where r and d of a later slice feel it") {
    const std::set<std::string> failed = failing_checks(planted::with_fault("momentum_reversed"));
    CHECK(failed.contains("running_stats batch_norm"));
    CHECK(failed.contains("running_stats batch_renorm"));
    CHECK(std::ranges::all_of(failed,
                              [](const std::string& f) { return sees_state(f) || f == "ghost_batch batch_renorm"; }));
}

TEST_CASE("what is kept from one call of a training run for the next is caught by the check sequence") {
    require_caught(planted::with_fault("eval_of_last_batch"), {"sequence batch_norm", "sequence batch_renorm"});
    require_caught(planted::with_fault("momentum_of_last"), {"sequence batch_norm", "sequence instance_norm"});
    require_caught(planted::with_fault("eval_moves_state"), {"sequence batch_norm"});
}

TEST_CASE("an r that is not frozen is named by the derivatives, which hold it still") {
    require_caught(planted::with_fault("r_d_not_frozen"),
                   {"derivatives batch_renorm", "zero_sum batch_renorm", "chain_rule batch_renorm",
                    "adjoint batch_renorm", "taylor batch_renorm", "jacobian batch_renorm"});
}

TEST_CASE("gamma by group is named by the accuracy of y where gamma varies inside a group") {
    require_caught(planted::with_fault("gamma_by_group"),
                   {"accuracy group_norm", "derivatives group_norm", "adjoint group_norm", "jacobian group_norm"});
    CHECK_FALSE(failing_checks(planted::with_fault("gamma_by_group"), {"accuracy"}).contains("accuracy batch_norm"));
}

TEST_CASE("one element of dx off by a hundredth is named by every derivative oracle") {
    require_caught(planted::with_formula("first_dx", {.first_dx = 1.01}),
                   {"derivatives batch_norm", "derivatives weight_norm", "adjoint batch_norm", "adjoint layer_norm",
                    "adjoint weight_norm", "taylor batch_norm", "taylor layer_norm", "taylor weight_norm",
                    "jacobian batch_norm", "jacobian channel_norm"});
}

// the vector of ones, in the null space, would not see it
TEST_CASE("means divided by m - 1 are named by every derivative oracle") {
    require_caught(planted::with_fault("means_over_m_minus_1"),
                   {"derivatives batch_norm", "derivatives rms_norm", "adjoint batch_norm", "adjoint batch_renorm",
                    "adjoint rms_norm", "taylor batch_norm", "taylor batch_renorm", "taylor instance_norm",
                    "jacobian batch_norm", "jacobian rms_norm"});
}

TEST_CASE("one element of dgamma off by a hundredth is named by every derivative oracle") {
    require_caught(planted::with_fault("dgamma_last_channel"),
                   {"derivatives batch_norm", "adjoint batch_norm", "adjoint weight_norm", "taylor batch_norm",
                    "taylor weight_norm", "jacobian batch_norm", "jacobian group_norm"});
}
