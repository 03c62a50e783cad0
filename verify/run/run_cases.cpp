#include "verify/run/run_cases.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <unordered_map>

#include "norms/operation.hpp"
#include "system/interrupt.hpp"
#include "system/memory_budget.hpp"
#include "system/parallel.hpp"
#include "verify/run/local_runner.hpp"
#include "verify/run/memory_need.hpp"

namespace normlab::verify {
namespace {

// Indices of the cases that are the same but for the implementation, together: one thread runs them one after the
// other, and has the numbers and truth of the first still at hand.
std::vector<std::vector<std::size_t>> by_data(const std::vector<Case>& cases) {
    std::vector<std::vector<std::size_t>> groups;
    std::unordered_map<std::string, std::size_t> group_of;
    for (std::size_t k = 0; k < cases.size(); ++k) {
        Case c = cases[k];
        c.implementation.clear();
        const auto [at, is_new] = group_of.try_emplace(c.text(), groups.size());
        if (is_new) groups.emplace_back();
        groups[at->second].push_back(k);
    }
    return groups;
}

}  // namespace

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
    system::keep_freed_memory();
    std::vector<std::vector<std::size_t>> small, large;
    for (std::vector<std::size_t>& same : by_data(cases))
        (bytes_needed(cases[same[0]]) * threads <= system::memory_budget() ? small : large).push_back(std::move(same));
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
    std::atomic<std::size_t> done = 0;
    const auto report = [&] {
        if (!stopped) progress(done, cases.size());
    };
    const auto run_at_once = [&](const std::vector<std::vector<std::size_t>>& some, int number) {
        system::in_parallel(
            some.size(), number,
            [&](std::size_t i) {
                for (const std::size_t k : some[i]) run(k), ++done;
            },
            report);
    };
    run_at_once(small, threads);
    run_at_once(large, 1);
    std::vector<Outcome> outcomes;
    for (std::optional<Outcome>& outcome : ran)
        if (outcome) outcomes.push_back(std::move(*outcome));
    return outcomes;
}

}  // namespace normlab::verify
