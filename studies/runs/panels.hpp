#pragma once
// Figures of small multiples: curves with their intervals.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "studies/runs/study.hpp"

namespace normlab::studies {

struct Point {
    double x = 0;
    Interval y;  ///< an unbounded one (a single seed) has no bar
};

struct Curve {
    std::string title;  ///< empty: not in the key
    /// colour (Okabe & Ito), point and dash, told apart without colours too: 0 ... 6. The same thing has the same one
    /// in every panel
    int style = 0;
    std::vector<Point> points;
    /// line, points and error bars; line and band; a line alone, whole or dashed
    enum class Kind { bars, band, line, dashed } kind = Kind::bars;
};

struct Panel {
    std::string title, x, y;
    std::string settings;  ///< gnuplot's, such as powers_of_two's
    std::vector<Curve> curves;
    static constexpr double no_floor = -HUGE_VAL;
    double floor = no_floor;  ///< lower ends of intervals are drawn no lower: for logarithmic axes
    /// Of y. Errors at a few positive x: from 0, or logarithmic; room for a wide key above, and curves are drawn a
    /// little beside each other, by a factor of x. Bars that are much longer than the values are large end at the
    /// panel's edge.
    enum class Range { automatic, errors, logarithmic_errors } range = Range::automatic;
};

/// Panel::settings for an x of these values, in order: logarithmic, marked at powers of two.
std::string powers_of_two(const std::vector<std::int64_t>& xs);

/// The panels, row by row.
Figure multiplot(const std::string& title, int columns, const std::vector<Panel>& panels);

}  // namespace normlab::studies
