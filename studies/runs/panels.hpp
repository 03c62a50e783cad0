#pragma once
// Figures of small multiples: curves with their intervals.

#include <cmath>
#include <string>
#include <vector>

#include "studies/runs/interval.hpp"

namespace normlab::studies {

struct Point {
    double x = 0;
    Interval y;   ///< an unbounded one (a single seed) has no bar
};

struct Curve {
    std::string title;   ///< empty: not in the key
    /// colour (Okabe & Ito), point and dash, told apart without colours too: 0 ... 6. The same thing has the same one in every panel
    int style = 0;
    std::vector<Point> points;
    enum class Kind { bars, band, line, dashed } kind = Kind::bars;   ///< line, points and error bars; line and band; a line alone, whole or dashed
};

struct Panel {
    std::string title, x, y;
    std::string settings;   ///< gnuplot's, such as "set logscale x 2\n"
    std::vector<Curve> curves;
    double floor = -HUGE_VAL;   ///< lower ends of intervals are drawn no lower: for logarithmic axes
};

/// A script for io::draw: the panels, row by row.
std::string multiplot(const std::string& title, int rows, int columns, const std::vector<Panel>& panels);

}  // namespace normlab::studies
