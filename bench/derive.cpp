#include <algorithm>

#include "bench/run.hpp"

namespace normlab::bench {

void derive(TimingPlan& plan) {
    for (Limit& l : plan.limits)
        if (!l.seconds.empty()) l.time = summarize(l.seconds);
    const auto timed = [](const Row& r) { return r.timed(); };
    // what fits into one device's cache need not fit into another's
    const auto same_case = [&](const Row& a, const Row& b) {
        return a.problem.device == b.problem.device ? a.name == b.name : a.case_name() == b.case_name();
    };
    for (Row& r : plan.rows) {
        if (!r.timed()) continue;
        r.time = summarize(r.seconds);
        const auto speed = [&](std::size_t i) {
            return plan.limits[i].seconds.empty() ? 0 : plan.limits[i].bytes_per_second();
        };
        r.limit = *std::ranges::max_element(r.limits, {}, speed);
        r.part_of_limit = speed(r.limit) > 0 ? r.bytes_per_second() / speed(r.limit) : 0;
    }
    for (Row& r : plan.rows) {
        double fastest = 0;
        for (const Row& other : plan.rows)
            if (timed(r) && timed(other) && same_case(r, other) && other.implementation != r.implementation &&
                (fastest == 0 || other.time.median < fastest))
                fastest = other.time.median;
        if (fastest > 0) r.against_others = fastest / r.time.median;
        const auto alone = std::ranges::find_if(plan.rows, [&](const Row& other) {
            return timed(other) && other.name == r.alone && other.implementation == r.implementation;
        });
        if (timed(r) && alone != plan.rows.end())
            r.over_alone = Row::OverAlone{r.time.median / alone->time.median,
                                          static_cast<double>(r.minimal) / static_cast<double>(alone->minimal),
                                          r.time.spread + alone->time.spread};
    }
}

}  // namespace normlab::bench
