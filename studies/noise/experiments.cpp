#include "studies/noise/experiments.hpp"

#include <algorithm>

namespace normlab::noise {
namespace {

constexpr Distribution normal_only[] = {Distribution::normal};
constexpr Distribution all[] = {Distribution::normal, Distribution::exponential, Distribution::uniform};

constexpr Experiment table[] = {
    {"statistics", all, [](std::int64_t) { return true; }, measure_statistics, 5e-7},
    {"clusters", normal_only, [](std::int64_t m) { return m >= 4 && m % 2 == 0; }, measure_clusters, 1.5e-7},
    {"averages", normal_only, [](std::int64_t) { return true; }, measure_averages, 5e-7},
    {"clipping", normal_only, [](std::int64_t) { return true; }, measure_clipping, 2e-7},
    {"gradients", normal_only, [](std::int64_t) { return true; }, measure_gradients, 1.5e-7},
    {"chain", normal_only, [](std::int64_t m) { return m == 16 || m == 32 || m == 64; }, measure_chain, 14e-7},
    {"sgd", normal_only, [](std::int64_t m) { return m == 16 || m == 32; }, measure_sgd, 6.5e-7},
};

Cell cell_of(const Trial& s, Row row, std::string quantity, std::int64_t n) {
    return {.row = row,
            .quantity = std::move(quantity),
            .implementation = s.implementation.name(),
            .dtype = s.dtype,
            .m = s.m,
            .distribution = s.distribution,
            .n = n};
}

}  // namespace

std::span<const Experiment> experiments() { return table; }

Blocks::Blocks(std::int64_t wanted, std::int64_t elements, std::int64_t block) {
    channels = std::clamp<std::int64_t>(block / elements, 1, std::max<std::int64_t>(wanted, 1));
    count = (std::max<std::int64_t>(wanted, 1) + channels - 1) / channels;
}

Draw draw_of(const Trial& s, unsigned experiment, unsigned stream) {
    return {.seed = s.seed,
            .stream = experiment << 28 | stream << 24 | static_cast<unsigned>(s.distribution) << 20 |
                      static_cast<unsigned>(s.m),
            .distribution = s.distribution};
}

Cell cell(const Trial& s, Row row, std::string quantity, const Tally& tally, double theory, double tolerance) {
    Cell c = cell_of(s, row, std::move(quantity), tally.count());
    c.theory = theory;
    c.tolerance = tolerance;
    c.measured = tally.mean();
    c.standard_error = tally.standard_error();
    return c;
}

Cell proportion(const Trial& s, Row row, std::string quantity, std::int64_t events, std::int64_t n, double theory) {
    const double p = static_cast<double>(events) / static_cast<double>(n);
    Cell c = cell_of(s, row, std::move(quantity), n);
    c.method = Method::proportion;
    c.theory = theory;
    c.measured = p;
    c.standard_error = std::sqrt(p * (1 - p) / static_cast<double>(n));
    return c;
}

Cell identity(const Trial& s, Row row, std::string quantity, double worst, std::int64_t n) {
    Cell c = cell_of(s, row, std::move(quantity), n);
    c.method = Method::identity;
    c.measured = c.statistic = worst;
    return c;
}

Cell by_law(Cell mean, double distance, std::size_t n) {
    mean.method = Method::law;
    mean.statistic = distance;
    mean.n = static_cast<std::int64_t>(n);
    return mean;
}

double x_hat_rounding(DType dtype, std::int64_t m, double mean, double var, double rstd) {
    const double size = static_cast<double>(m);
    return unit_roundoff(dtype) * ((size + 2) * rstd * size * std::sqrt(mean * mean + var) + 4 * size);
}

}  // namespace normlab::noise
