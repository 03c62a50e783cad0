#include "verify/hunt.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/report.hpp"

namespace normlab::verify {
namespace {

constexpr std::size_t kept_failures = 100;

struct Run {
    Hunt result;
    std::map<std::pair<std::string, DType>, Prey> worst;
    std::mutex lock;

    void take(const Outcome& o) {
        const std::lock_guard guard(lock);
        Prey& prey = worst[{o.test.implementation, o.test.dtype}];
        ++prey.cases, ++result.cases;
        result.skipped += !o.skipped.empty();
        bool fails = false;
        for (const Finding& f : o.findings) {
            result.held += f.verdict == Verdict::pass;
            result.unresolved += f.verdict == Verdict::unresolved;
            result.failures += f.verdict == Verdict::fail;
            fails |= f.verdict == Verdict::fail;
            if (f.verdict != Verdict::unresolved && f.ratio() > prey.finding.ratio()) prey.finding = f, prey.test = o.test;
        }
        if (fails && result.failed.size() < kept_failures) result.failed.push_back(o);
    }

    // The case to change: the worst so far of some implementation and dtype; nothing in the beginning.
    std::optional<Case> prey(Random& random) {
        const std::lock_guard guard(lock);
        if (worst.empty()) return std::nullopt;
        const auto at = std::next(worst.begin(), random.integer(0, std::ssize(worst) - 1));
        if (at->second.finding.quantity.empty()) return std::nullopt;
        return at->second.test;
    }
};

}  // namespace

Hunt hunt(const Selection& selection, std::uint64_t seed, int threads, bool climb, std::size_t most, const std::function<bool(std::size_t)>& go_on) {
    Run run;
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> stop = false;
    std::exception_ptr error;
    const auto work = [&](bool asks) {
        try {
            while (!stop) {
                const std::size_t i = next++;
                if (i >= most || (asks && !go_on(i))) stop = true;
                if (stop) break;
                Random random(seed + 0x100000000u * i);
                const std::optional<Case> prey = climb && i % 2 ? run.prey(random) : std::nullopt;
                run.take(run_case(prey ? mutated(*prey, random) : random_case(random, selection)));
            }
        } catch (...) {
            const std::lock_guard guard(run.lock);
            error = std::current_exception();
            stop = true;
        }
    };
    std::vector<std::jthread> helpers;
    for (int t = 1; t < threads; ++t) helpers.emplace_back(work, false);
    work(true);
    helpers.clear();
    if (error) std::rethrow_exception(error);
    for (auto& [key, prey] : run.worst) run.result.worst.push_back(std::move(prey));
    return std::move(run.result);
}

std::string hunt_text(const Hunt& h, const std::string& command) {
    std::string text = fmt::format("{:<11} {:<5} {:>8} {:>11}  worst found\n", "impl", "dtype", "cases", "error/bound");
    for (const Prey& p : h.worst)
        text += fmt::format("{:<11} {:<5} {:>8} {:>11.3g}  {} {}: {:.3g} of {:.3g}\n  rerun: {}\n", p.test.implementation, name_of(p.test.dtype), p.cases, p.finding.ratio(),
                            p.test.check, p.finding.quantity, p.finding.error, p.finding.bound, called(command, p.test.rerun()));
    return text;
}

}  // namespace normlab::verify
