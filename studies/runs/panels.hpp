#pragma once
// Figures of small multiples: curves with their intervals.

#include <cstdint>
#include <string>
#include <vector>

#include "studies/runs/interval.hpp"

namespace normlab::studies {

struct Point {
    double x = 0;
    Interval y;   ///< an unbounded one (a single seed) has no bar
};

struct Curve {
    std::string title;
    int style = 0;   ///< colour (Okabe & Ito), point and dash, told apart without colours too: 0 ... 6. The same thing has the same one in every panel
    std::vector<Point> points;
};

struct Panel {
    std::string title, x, y;
    std::string settings;   ///< gnuplot's, such as "set logscale x 2\n"
    std::vector<Curve> curves;
};

/// Panel::settings for an x of these values, in order: logarithmic, marked at powers of two.
std::string powers_of_two(const std::vector<std::int64_t>& xs);

/// A script for io::draw: the panels, row by row.
std::string multiplot(const std::string& title, int rows, int columns, const std::vector<Panel>& panels);

}  // namespace normlab::studies
