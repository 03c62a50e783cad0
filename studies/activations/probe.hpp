#pragma once
// What is looked at inside a net while it trains.

#include <array>

#include "studies/nn/mlp.hpp"

namespace normlab::studies::sigmoids {

/// The p-th quantile, 0 <= p <= 1, of values in any order, linear between neighbours.
double quantile(std::vector<double> values, double p);

/// Of the values of each unit over the samples of a batch, values[n * units + unit]: |skewness| and excess kurtosis,
/// each the median over the units that are not constant.
struct Shape {
    double skewness = NAN, kurtosis = NAN;
};
Shape shape_of(const std::vector<double>& values, std::size_t units);

/// 15th, 50th and 85th percentile of one unit over the samples.
std::array<double, 3> percentiles_of(const std::vector<double>& values, std::size_t units, std::size_t unit);

/// How far the percentiles of all units move in time, in units of their spread: sum of the standard deviations in time
/// of the three percentiles / 3, over the sum of the means in time of the 85th less the 15th.
class Drift {
public:
    void add(const std::vector<double>& values, std::size_t units);
    double value() const;

private:
    std::vector<std::array<double, 3>> sums_, squares_;  // of each unit
    double times_ = 0;
};

/// Share of a sigmoid's outputs below 0.05 or above 0.95, where its slope is less than a fifth of the largest.
double saturated(const std::vector<double>& outputs);

}  // namespace normlab::studies::sigmoids
