#include "verify/run/run_cases.hpp"

#include <atomic>
#include <chrono>
#include <optional>

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
                               const std::function<void(std::size_t, std::size_t)>& progress,
                               const std::function<bool(const Outcome&)>& stop) {
    std::vector<std::size_t> small, large;
    for (std::size_t k = 0; k < cases.size(); ++k)
        (bytes_needed(cases[k]) * threads <= system::memory_budget() ? small : large).push_back(k);
    std::vector<std::optional<Outcome>> ran(cases.size());
    std::atomic<bool> stopped = false;
    const auto run = [&](std::size_t k) {
        if (stopped || system::interrupted()) return;
        const auto start = std::chrono::steady_clock::now();
        try {
            ran[k] = run_case(cases[k]);
        } catch (const system::Interrupted&) {
            return;
        }
        ran[k]->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (stop && stop(*ran[k])) stopped = true;
    };
    std::size_t done = 0;
    const auto report = [&] {
        if (!stopped) progress(++done, cases.size());
    };
    const auto run_at_once = [&](const std::vector<std::size_t>& some, int number) {
        system::in_parallel(
            some.size(), number, [&](std::size_t i) { run(some[i]); }, report);
    };
    run_at_once(small, threads);
    run_at_once(large, 1);
    std::vector<Outcome> outcomes;
    for (std::optional<Outcome>& outcome : ran)
        if (outcome) outcomes.push_back(std::move(*outcome));
    return outcomes;
}

}  // namespace normlab::verify
