#pragma once
// From settings to runs, and from records to the numbers that reports are made of.

#include <span>

#include "studies/runs/study.hpp"

namespace normlab::studies {

/// Every combination of the values of `flags`, the last varying fastest: {"steps": 1000, "norm": "none", ...}; keys are
/// flags without "--" ("--seeds": "seed"), numbers are numbers.
std::vector<json> combinations(const Settings& settings, const std::vector<std::string>& flags);

/// "norm=none-seed=1": the name of a run by the settings that tell it from others.
std::string run_name(const json& settings, const std::vector<std::string>& keys);

/// A number, or null, as which JSON keeps what is not finite: NaN.
double number(const json& value);
std::vector<double> numbers(const json& array);

/// Records whose settings have all members of `wanted`, by seed.
using Selected = std::map<std::int64_t, const Record*>;
Selected select(const std::vector<Record>& records, const json& wanted);

/// The values that a setting has in the records, in their order of size.
std::vector<double> values_of(const std::vector<Record>& records, const std::string& key);

/// f(record) of each seed.
std::vector<double> each(const Selected& runs, const std::function<double(const Record&)>& f);
/// f(a, b) of each seed that both have.
std::vector<double> each_pair(const Selected& a, const Selected& b,
                              const std::function<double(const Record&, const Record&)>& f);

/// The geometric mean of positive ratios with its interval: mean_of on their logarithms.
Interval mean_ratio(std::span<const double> ratios);

}  // namespace normlab::studies
