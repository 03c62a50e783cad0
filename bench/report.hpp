#pragma once
// A finished run for people: the table, the figure, the last line.

#include "bench/run.hpp"

namespace normlab::bench {

/// machine(), a row a case and implementation, what was wrong, what was left out, and where noise makes numbers
/// doubtful. Columns: median time, spread (median absolute deviation over median), GB/s of the minimal bytes, percent
/// of the limit, time of the fastest other implementation over this one's, worst error over bound.
std::string table_text(const TimingPlan& plan);

/// A row as soon as it was timed, when limits and other implementations are not known yet.
std::string timed_line(const TimingPlan& plan, const Row& row);

/// "bench: 26 rows timed, 0 wrong; ...": the last line.
std::string summary_line(const TimingPlan& plan, double seconds);

bool all_right(const TimingPlan& plan);

/// gnuplot commands for bars of the percentage of the limit, a group a case and a colour an implementation, and the
/// figure's size in points.
struct Figure {
    std::string script;
    int width = 0, height = 0;
};
Figure figure(const TimingPlan& plan);

}  // namespace normlab::bench
