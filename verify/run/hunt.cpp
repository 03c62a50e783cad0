#include "verify/run/hunt.hpp"

#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>

#include "system/interrupt.hpp"
#include "system/parallel.hpp"
#include "verify/run/generate.hpp"
#include "verify/run/run_cases.hpp"

namespace normlab::verify {
namespace {

constexpr std::size_t most_kept = 100;

struct Run {
    Hunt result;
    std::map<std::pair<std::string, DType>, Worst> worst;
    std::mutex lock;

    void take(const Outcome& o) {
        const std::lock_guard guard(lock);
        Worst& one = worst[{o.test.implementation, o.test.dtype}];
        if (++one.cases == 1) one.test = o.test;  // what no finding is worse than
        ++result.cases;
        result.skipped += !o.skipped.empty();
        bool doubtful = false;
        for (const Finding& f : o.findings) {
            result.held += f.verdict == Verdict::pass;
            result.unresolved += f.verdict == Verdict::unresolved;
            result.failed += f.verdict == Verdict::fail;
            doubtful |= f.verdict == Verdict::fail || f.verdict == Verdict::unresolved;
            if (f.verdict != Verdict::unresolved && (f.ratio() > one.finding.ratio() || std::isnan(f.error)) &&
                !std::isnan(one.finding.error))
                one.finding = f, one.test = o.test;
        }
        if (doubtful && result.doubtful.size() < most_kept) result.doubtful.push_back(o);
    }

    // The case to change: the worst so far of some implementation and dtype; nothing in the beginning.
    std::optional<Case> to_change(Random& random) {
        const std::lock_guard guard(lock);
        if (worst.empty()) return std::nullopt;
        const auto at = std::next(worst.begin(), random.integer(0, std::ssize(worst) - 1));
        // nothing found, or nothing to climb
        if (at->second.finding.quantity.empty() || at->second.finding.bound == 0 || at->second.test.tile)
            return std::nullopt;
        return at->second.test;
    }
};

}  // namespace

Hunt hunt(const Selection& selection, std::uint64_t seed, int threads, bool climb, std::size_t most,
          const std::function<bool(std::size_t)>& go_on) {
    Run run;
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> stop = false;
    system::on_threads(threads, [&](int thread) {
        try {
            while (!stop && !system::interrupted()) {
                const std::size_t i = next++;
                if (i >= most) break;
                if (thread == 0 && !go_on(i)) stop = true;
                Random random(seed, i);
                const std::optional<Case> worst = climb && i % 2 ? run.to_change(random) : std::nullopt;
                run.take(run_case(worst ? mutated(*worst, random) : random_case(random, selection)));
            }
        } catch (const system::Interrupted&) {
            stop = true;
        } catch (...) {
            stop = true;
            throw;
        }
    });
    for (auto& [key, one] : run.worst) run.result.worst.push_back(std::move(one));
    return std::move(run.result);
}

}  // namespace normlab::verify
