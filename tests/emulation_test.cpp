// verify's own checks on the emulated kernels, and threads taking turns the other way round.

#include "norms/registry.hpp"
#include "tests/catch.hpp"
#include "tests/emulation/cuda.hpp"
#include "verify/check/check.hpp"
#include "verify/run/plan.hpp"
#include "verify/run/run_cases.hpp"

using namespace normlab;
using namespace normlab::verify;

namespace {

std::vector<Outcome> outcomes(const Selection& selection, Tier tier) {
    return run_cases(plan(selection, tier), 1, [](std::size_t, std::size_t) {});
}

}  // namespace

TEST_CASE("verify's smoke tier holds for the emulated kernels") {
    Selection all;
    all.implementations = {"cuda"};
    // An emulated device is one host thread, whatever the number asked for, and slow where calls are many.
    for (const Check& c : checks())
        if (c.name != "threads" && c.name != "many_calls") all.checks.emplace_back(c.name);
    if (sanitized) all.dtypes = {DType::bf16};
    for (const Outcome& o : outcomes(all, Tier::smoke))
        for (const Finding& f : o.findings) {
            INFO(o.test.text() << " " << f.quantity << ": error " << f.error << ", bound " << f.bound << " " << f.where
                               << " " << f.note);
            CHECK(f.verdict == Verdict::pass);
        }
}

TEST_CASE("the order in which threads take turns changes no bit") {
    Selection accuracy;
    accuracy.implementations = {"cuda"}, accuracy.checks = {"accuracy"}, accuracy.dtypes = {DType::f32};
    emulation::order = emulation::Order::up;
    const std::vector<Outcome> up = outcomes(accuracy, Tier::smoke);
    emulation::order = emulation::Order::down;
    const std::vector<Outcome> down = outcomes(accuracy, Tier::smoke);
    emulation::order = emulation::Order::up;
    REQUIRE(up.size() == down.size());
    for (std::size_t i = 0; i < up.size(); ++i)
        for (std::size_t k = 0; k < up[i].findings.size(); ++k) {
            INFO(up[i].test.text() << " " << up[i].findings[k].quantity);
            CHECK(up[i].findings[k].error == down[i].findings[k].error);
            CHECK(up[i].findings[k].where == down[i].findings[k].where);
        }
}
