#include "verify/run/run_cases.hpp"

#include <algorithm>

#include "norms/operation.hpp"
#include "system/interrupt.hpp"
#include "system/memory_budget.hpp"
#include "system/parallel.hpp"
#include "verify/run/local_runner.hpp"
#include "verify/run/memory_need.hpp"

namespace normlab::verify {

const Runner& runner_of(const Case& c) {
    static const LocalRunner local;
    const auto* itself = dynamic_cast<const Runner*>(&find_implementation(c.implementation));
    return itself ? *itself : local;
}

Outcome run_case(const Case& c) { return runner_of(c).run(c); }
std::string reason_to_skip(const Case& c) { return runner_of(c).reason_to_skip(c); }

std::vector<Outcome> run_cases(const std::vector<Case>& cases, int threads,
                               const std::function<void(std::size_t, std::size_t)>& progress) {
    std::vector<std::size_t> small, large;
    for (std::size_t k = 0; k < cases.size(); ++k)
        (bytes_needed(cases[k]) * threads <= system::memory_budget() ? small : large).push_back(k);
    std::vector<Outcome> outcomes(cases.size());
    std::vector<char> ran(cases.size(), 0);  // one byte each: threads write them
    std::size_t done = 0;
    const auto report = [&] { progress(++done, cases.size()); };
    const auto run_one = [&](std::size_t k) {
        if (system::interrupted()) return;
        try {
            outcomes[k] = run_case(cases[k]);
            ran[k] = 1;
        } catch (const system::Interrupted&) {
        }
    };
    const auto run_at_once = [&](const std::vector<std::size_t>& some, int number) {
        system::in_parallel(
            some.size(), number, [&](std::size_t i) { run_one(some[i]); }, report);
    };
    run_at_once(small, threads);
    run_at_once(large, 1);
    std::size_t kept = 0;
    for (std::size_t k = 0; k < cases.size(); ++k)
        if (ran[k] && kept++ != k) outcomes[kept - 1] = std::move(outcomes[k]);
    outcomes.resize(kept);
    return outcomes;
}

}  // namespace normlab::verify
