#pragma once
// What is read off one run, or off the runs of one seed at several rates.

#include "studies/runs/values.hpp"

namespace normlab::studies::rates {

double best(const Record& r);  ///< highest accuracy at any look
double final_accuracy(const Record& r);

/// Steps to the first look at which the accuracy is at least `target`; where there is none, as many as the run was to
/// have: too few, so that ratios of them are lower bounds.
double steps_to(const Record& r, double target);

/// Runs of one net, each rate's by seed.
using ByFactor = std::map<double, Selected>;
ByFactor by_factor(const std::vector<Record>& records, const json& net);

/// The largest factor at which the seed's final accuracy is at least 0.9 of the best that it has at any; 0 where that
/// is below 0.2, twice chance, or without runs.
double largest_stable(const ByFactor& net, std::int64_t seed);
/// The final accuracy of the seed at the factor that is best for the other seeds (its own best where there is none):
/// chosen by the value itself, the best of more stable rates would be favoured more.
double best_final(const ByFactor& net, std::int64_t seed);
/// The ratio of two largest stable factors, with Student's interval and the resolution of the list: a factor stands for
/// all up to the next of the list (none after its last).
Interval stable_ratio(const ByFactor& a, const ByFactor& b);

std::map<std::string, Interval> measures(const std::vector<Record>& records);

}  // namespace normlab::studies::rates
