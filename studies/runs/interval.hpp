#pragma once
// Confidence intervals of what several seeds measured.

#include <cmath>
#include <span>
#include <string>

namespace normlab::studies {

/// A measured value with the interval in which the true one lies with probability `level`; of one value alone it is
/// unbounded.
struct Interval {
    double value = 0, low = -HUGE_VAL, high = HUGE_VAL;
};

inline constexpr double level = 0.95;

/// Mean of independent values, one a seed, with Student's t interval: mean +- t s / sqrt(n). NaN, unbounded, where
/// there are none.
Interval mean_of(std::span<const double> values);

/// What is not subject to chance: an error over its rounding bound, a count.
inline Interval exactly(double value) { return {value, value, value}; }

/// The largest, NaN if one is NaN; 0 where there are none.
double worst(std::span<const double> values);

/// "0.0123 [0.0100, 0.0146]"; without the brackets where it is exact.
std::string text_of(const Interval& interval);

}  // namespace normlab::studies
