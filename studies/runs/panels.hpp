#pragma once
// Figures of small multiples: curves with their intervals.

#include <cstdint>
#include <string>
#include <vector>

#include "studies/runs/study.hpp"

namespace normlab::studies {

struct Point {
    double x = 0;   ///< positive: curves are drawn a little beside each other, by a factor
    Interval y;     ///< an unbounded one (a single seed) has no bar
};

struct Curve {
    std::string title;
    /// Colour (Okabe & Ito), point and dash, told apart without colours too: 0 ... 6. The same thing has the same one in every panel.
    int style = 0;
    std::vector<Point> points;
};

struct Panel {
    std::string title, x, y;
    std::string settings;   ///< gnuplot's, such as powers_of_two's
    std::vector<Curve> curves;
    bool logarithmic = false;   ///< y; otherwise y begins at 0. Bars that are much longer than the values are large end at the panel's edge
};

/// Panel::settings for an x of these values, in order: logarithmic, marked at powers of two.
std::string powers_of_two(const std::vector<std::int64_t>& xs);

/// The panels, row by row.
Figure multiplot(const std::string& title, int columns, const std::vector<Panel>& panels);

}  // namespace normlab::studies
