#pragma once
// Figures as small multiples: curves with error bands, points with error bars, in colours that colour-blind readers can tell apart.

#include "studies/runs/study.hpp"

namespace normlab::studies {

struct Point {
    double x = 0;
    Interval y;   ///< drawn where it is bounded
};

struct Curve {
    enum class Kind { band, bars, line } kind = Kind::band;   ///< line and band; line, points and error bars; line alone
    std::string title;   ///< empty: not in the key
    int colour = 0;      ///< 0 to 6
    std::vector<Point> points;
    int dash = 1;        ///< gnuplot's dash type
};

struct Panel {
    std::string title, x, y;
    std::vector<Curve> curves;
    std::string settings;   ///< gnuplot commands: "set logscale x; set key bottom right"
    double floor = -HUGE_VAL;   ///< lower ends of intervals are drawn no lower: for logarithmic axes
};

/// `columns` panels beside each other, each about 440 x 330 points.
Figure panels_figure(const std::string& title, int columns, const std::vector<Panel>& panels);

}  // namespace normlab::studies
