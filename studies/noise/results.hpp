#pragma once
// Results for people and machines.

#include "studies/noise/study.hpp"

namespace normlab::noise {

/// Cells held and the worst cell of every row; the failed cells.
std::string table_text(const Result& result);

/// One line: the verdict of the criterion (none where settings are not those it was written for), cells held, the worst, seconds.
std::string summary_line(const Result& result);

/// Settings and every cell. Numbers that are not finite are null.
std::string json_text(const Result& result);
std::string csv_text(const Result& result);

/// gnuplot commands (io/gnuplot.hpp) for theory's lines and the measured points against m.
std::string figure_script(const Result& result);
inline constexpr int figure_width = 1260, figure_height = 1360;

}  // namespace normlab::noise
