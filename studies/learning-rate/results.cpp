#include "studies/learning-rate/results.hpp"

#include <algorithm>
#include <cmath>

namespace normlab::studies::rates {

double best(const Record& r) { return std::ranges::max(numbers(r.result.at("accuracy"))); }

double final_accuracy(const Record& r) { return number(r.result.at("accuracy").back()); }

double steps_to(const Record& r, double target) {
    for (std::size_t i = 0; i < r.result.at("step").size(); ++i)
        if (number(r.result.at("accuracy")[i]) >= target) return number(r.result.at("step")[i]);
    return r.settings.at("steps").get<double>();
}

ByFactor by_factor(const std::vector<Record>& records, const json& net) {
    ByFactor all;
    for (const double factor : values_of(records, "factor")) {
        json wanted = net;
        wanted["factor"] = factor;
        if (Selected runs = select(records, wanted); !runs.empty()) all[factor] = std::move(runs);
    }
    return all;
}

namespace {

double highest_final(const ByFactor& net, std::int64_t seed) {
    double highest = 0;
    for (const auto& [factor, runs] : net)
        if (const auto r = runs.find(seed); r != runs.end()) highest = std::max(highest, final_accuracy(*r->second));
    return highest;
}

double next_factor(const ByFactor& net, double factor) {
    const auto next = net.upper_bound(factor);
    return next == net.end() ? HUGE_VAL : next->first;
}

}  // namespace

double best_final(const ByFactor& net, std::int64_t seed) {
    double chosen = NAN, highest = -1;
    for (const auto& [factor, runs] : net) {
        if (!runs.contains(seed)) continue;
        std::vector<double> others;
        for (const auto& [other, r] : runs)
            if (other != seed || runs.size() == 1) others.push_back(final_accuracy(*r));
        if (const double mean = mean_of(others).value; mean > highest)
            highest = mean, chosen = final_accuracy(*runs.at(seed));
    }
    return chosen;
}

double largest_stable(const ByFactor& net, std::int64_t seed) {
    constexpr double chance = 0.2;  // twice that of ten classes: what stays below it has learnt nowhere
    double largest = 0;
    if (highest_final(net, seed) < chance) return largest;
    for (const auto& [factor, runs] : net)
        if (const auto r = runs.find(seed);
            r != runs.end() && final_accuracy(*r->second) >= 0.9 * highest_final(net, seed))
            largest = factor;
    return largest;
}

Interval stable_ratio(const ByFactor& a, const ByFactor& b) {
    std::vector<double> ratios, lows, highs;
    if (a.empty() || b.empty()) return {NAN};
    for (const auto& [seed, run] : a.begin()->second) {
        const double of_a = largest_stable(a, seed), of_b = largest_stable(b, seed);
        if (!(of_b > 0)) continue;
        ratios.push_back(of_a / of_b);
        lows.push_back(of_a / next_factor(b, of_b));
        highs.push_back(next_factor(a, of_a) / of_b);
    }
    const bool bounded = std::ranges::all_of(highs, [](double v) { return std::isfinite(v); }),
               positive = std::ranges::all_of(lows, [](double v) { return v > 0; });
    return {mean_ratio(ratios).value, positive ? mean_ratio(lows).low : 0, bounded ? mean_ratio(highs).high : HUGE_VAL};
}

std::map<std::string, Interval> measures(const std::vector<Record>& records) {
    std::map<std::string, Interval> out;
    const auto runs = [&](const char* activation, const char* norm) {
        return json{{"activation", activation}, {"norm", norm}, {"init", 1}};
    };
    ByFactor plain = by_factor(records, runs("relu", "none")), bn = by_factor(records, runs("relu", "batch_norm"));
    if (plain.contains(1)) {
        const auto ratio = [](const Record& b, const Record& p) { return steps_to(b, best(p)) / steps_to(p, best(p)); };
        const auto steps = [&](double factor) {  // from above nothing bounds what was never reached
            Interval i = mean_ratio(each_pair(bn[factor], plain[1], ratio));
            for (const double missed : each_pair(bn[factor], plain[1], [](const Record&b, const Record&p) {
                     return best(b) < best(p) ? 1.0 : 0.0;
                 }))
                if (missed > 0) i.high = HUGE_VAL;
            return i;
        };
        out["bn_steps / plain_steps"] = steps(1);
        out["bn_x5_steps / plain_steps"] = steps(5);
        const auto fall = [](const Record& p, const Record& fast) { return best(p) - final_accuracy(fast); };
        out["plain_best - plain_x5_final"] = mean_of(each_pair(plain[1], plain[5], fall));
    }
    out["bn_x30_best - bn_best"] =
        mean_of(each_pair(bn[30], bn[1], [](const Record& fast, const Record& b) { return best(fast) - best(b); }));
    if (const std::vector<double> depths = values_of(records, "layers"); !depths.empty()) {
        json net = runs("sigmoid", "none");
        double deepest = 0;
        for (const double depth : depths) {
            net["layers"] = depth;
            if (!select(records, net).empty()) deepest = depth;
        }
        net["layers"] = deepest;
        // at the best of its rates, step and rate chosen in its favour
        const ByFactor sigmoid = by_factor(records, net);
        std::map<std::int64_t, double> highest;
        for (const auto& [factor, by_seed] : sigmoid)
            for (const auto& [seed, r] : by_seed) highest[seed] = std::max(highest[seed], best(*r));
        std::vector<double> accuracies;
        for (const auto& [seed, accuracy] : highest) accuracies.push_back(accuracy);
        out["plain_sigmoid_best"] = mean_of(accuracies);
        net["norm"] = "batch_norm", net["factor"] = 5;
        out["bn_x5_sigmoid_best"] = mean_of(each(select(records, net), best));
    }
    std::vector<double> gaps, excess;
    if (!plain.empty() && !bn.empty() && plain.begin()->first == bn.begin()->first)
        for (const auto& [seed, slow] : plain.begin()->second) {
            const auto other = bn.begin()->second.find(seed);
            if (other == bn.begin()->second.end()) continue;
            gaps.push_back(best_final(bn, seed) - best_final(plain, seed));
            excess.push_back(std::abs(final_accuracy(*other->second) - final_accuracy(*slow)) - gaps.back() / 2);
        }
    out["bn_largest_rate / plain_largest_rate"] = stable_ratio(bn, plain);
    out["gap_at_best_rates"] = mean_of(gaps);
    out["abs(gap_at_small_rate) - gap_at_best_rates / 2"] = mean_of(excess);
    return out;
}

}  // namespace normlab::studies::rates
