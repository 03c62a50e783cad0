#pragma once
// What several seeds measured, compared seed by seed.

#include <cstdint>
#include <map>

#include "studies/runs/interval.hpp"

namespace normlab::studies {

/// A value a seed. Arithmetic is by seed, over those that both sides have: runs of a seed share their data and first
/// weights, so that a difference spreads less than its sides do.
struct BySeed {
    std::map<std::int64_t, double> values;

    BySeed operator-(const BySeed& other) const;
    BySeed operator+(const BySeed& other) const;
    BySeed operator*(double factor) const;

    bool empty() const { return values.empty(); }
    double mean() const;  ///< NaN where there are none
    BySeed without(std::int64_t seed) const;
};

Interval mean_of(const BySeed& values);

/// Sets measures[name] unless there are no values: the claim then says "not measured".
void put(std::map<std::string, Interval>& measures, const std::string& name, const BySeed& values);

}  // namespace normlab::studies
