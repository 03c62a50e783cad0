#pragma once
// The measurements. Each experiment draws batches and fills in the cells of several rows of the table from them.

#include <span>

#include "studies/noise/judge.hpp"
#include "studies/noise/measured_norm.hpp"

namespace normlab::noise {

/// What one experiment is run on.
struct Trial {
    const Implementation& implementation;
    std::int64_t m;
    Distribution distribution;
    DType dtype;
    std::int64_t samples;  ///< values drawn for a cell: samples / m batches
    std::uint64_t seed;
};

/// The mean over the first n batches, for n = 1, 2, 4, ...: of quantities that have no mean.
struct RunningMean {
    std::string quantity, implementation;
    std::int64_t m;
    std::vector<double> means;
};

struct Measured {
    std::vector<Cell> cells;
    std::vector<RunningMean> running_means;
};

struct Experiment {
    std::string_view name;
    std::span<const Distribution> distributions;
    bool (*wants)(std::int64_t m);
    void (*run)(const Trial& trial, Measured& out);
    double seconds;  ///< about, for each value of a cell
};
std::span<const Experiment> experiments();

// One of a file; experiments.cpp lists them.
void measure_statistics(const Trial& trial, Measured& out);  ///< mean, variance, x_hat and evaluation of one batch
void measure_clusters(const Trial& trial, Measured& out);
void measure_averages(const Trial& trial, Measured& out);
void measure_clipping(const Trial& trial, Measured& out);
void measure_gradients(const Trial& trial, Measured& out);
void measure_chain(const Trial& trial, Measured& out);
void measure_sgd(const Trial& trial, Measured& out);

/// `channels` at least, in equal blocks of `block` elements or less: how experiments walk through their batches.
struct Blocks {
    Blocks(std::int64_t channels, std::int64_t elements_of_a_channel, std::int64_t block = 1 << 16);
    std::int64_t count, channels;  ///< blocks, and channels in each
};

/// A draw of this trial; `stream` (0 to 15) keeps independent draws of one experiment (0 to 15) apart. Implementations
/// see the same values.
Draw draw_of(const Trial& trial, unsigned experiment, unsigned stream = 0);

Cell cell(const Trial& trial, Row row, std::string quantity, const Tally& tally, double theory, double tolerance = 0);
Cell proportion(const Trial& trial, Row row, std::string quantity, std::int64_t events, std::int64_t n, double theory);
Cell identity(const Trial& trial, Row row, std::string quantity, double worst, std::int64_t n);

/// Where the mean's fourth moment is infinite (then its standard error is not to be trusted): judged by the law of the
/// batches' variance instead.
Cell by_law(Cell mean, double distance, std::size_t n);

/// E[var^(-power/2)] of m normal values has a finite fourth moment.
inline bool fourth_moment(std::int64_t m, int power) { return m - 1 > 4 * power; }

/// Bound on what rounding does to x_hat in one batch, summed: mu is m+2 roundings of values of size |x|, times rstd; 4
/// roundings each of x_hat itself. sum |x| <= m sqrt(mean^2 + var).
double x_hat_rounding(DType dtype, std::int64_t m, double mean, double var, double rstd);

}  // namespace normlab::noise
