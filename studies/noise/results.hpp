#pragma once
// What the records of a plan say, all cells judged together.

#include "studies/noise/experiments.hpp"
#include "studies/runs/study.hpp"

namespace normlab::noise {

using studies::json;

/// The criterion was written for these; of implementation, dtype and seed it holds for all.
inline constexpr const char* criterion_ms = "2,3,4,5,6,8,16,32,64,128,256";
inline constexpr std::int64_t criterion_samples = 1 << 21;  ///< values drawn for a cell
inline constexpr double alpha = 1e-3;                       ///< probability that chance alone fails any cell of a plan

/// What was measured, not yet judged: a cell, and a run's result.
json json_of(const Cell& cell);
json result_of(const Measured& measured);

struct Results {
    explicit Results(const std::vector<studies::Record>& records);

    std::vector<std::int64_t> ms;
    std::vector<std::string> dtypes;
    std::int64_t samples;
    std::uint64_t seed;
    std::vector<Cell> cells;  ///< in the order of rows
    std::vector<RunningMean> running_means;
    double level;  ///< of one cell

    bool criterion_applies() const;
    bool held() const;
};

// For people and machines (report.cpp, figure.cpp).
std::string table_text(const Results& results);  ///< cells held and the worst cell of every row; the failed cells
/// the verdict of the criterion (none where it does not apply), cells held, the worst
std::string summary_line(const Results& results);
json document_of(const Results& results);  ///< settings and every cell
/// Of the table.
inline constexpr const char* columns =
    "row,quantity,m,distribution,impl,dtype,method,n,theory,tolerance,measured,standard_error,low,high,statistic,limit,"
    "held";
std::string csv_text(const Results& results);
studies::Figure figure_of(const Results& results);  ///< theory's lines and the measured points against m

}  // namespace normlab::noise
