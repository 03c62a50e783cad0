// Rows on batches that are not independent values, on running statistics, and on batch renorm's clipping against them.
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "norms/variants/batch_norm.hpp"
#include "norms/variants/batch_renorm.hpp"
#include "studies/noise/experiments.hpp"
#include "studies/noise/theory.hpp"

namespace normlab::noise {

void measure_clusters(const Trial& s, Measured& out) {
    constexpr double rho = 0.5;
    for (const bool pairs : {true, false}) {  // clusters are samples, their values positions
        if (!pairs && s.m == 4) break;        // the same
        const std::int64_t k = pairs ? 2 : s.m / 2;
        const std::int64_t clusters = s.m / k;
        const Blocks blocks(s.samples / s.m, s.m);
        Spec spec = batch_norm(0);
        spec.running = Running::none;
        MeasuredNorm layer(spec, {clusters, blocks.channels, k}, Mode::train, s.dtype, s.implementation);
        Array x = layer.array();
        Draw draw = draw_of(s, 2, pairs ? 0 : 1);
        draw.correlation = rho;
        Tally mean2, var;
        for (std::int64_t b = 0; b < blocks.count; ++b) {
            draw.first_channel = static_cast<std::uint32_t>(b * blocks.channels);
            fill(draw, x);
            layer.forward(x);
            const Saved stats = layer.saved();
            for (double mean : stats.mean) mean2.add(mean * mean);
            for (double v : stats.var) var.add(v);
        }
        const double expected =
            theory::clusters_variance_of_mean(static_cast<double>(clusters), static_cast<double>(k), rho);
        const char* how = pairs ? "m/2 of 2" : "2 of m/2";
        out.cells.push_back(cell(s, Row::clusters, fmt::format("Var[mu_B], {}", how), mean2, expected));
        out.cells.push_back(cell(s, Row::clusters, fmt::format("E[var_B], {}", how), var, 1 - expected));
    }
}

void measure_averages(const Trial& s, Measured& out) {
    constexpr double alpha = 0.1;
    constexpr std::int64_t steps = 32, batches = 8;
    const double m = static_cast<double>(s.m);
    {  // every channel is a layer of its own that sees `steps` batches, in order, as slices
        const Blocks blocks(2 * s.samples / (s.m * steps), s.m * steps);
        Spec spec = batch_norm(0, alpha);
        spec.stat_batch = s.m;
        MeasuredNorm layer(spec, {s.m * steps, blocks.channels, 1}, Mode::train, s.dtype, s.implementation);
        Array x = layer.array();
        Draw draw = draw_of(s, 3);
        Tally mean2, var;
        for (std::int64_t b = 0; b < blocks.count; ++b) {
            draw.first_channel = static_cast<std::uint32_t>(b * blocks.channels);
            fill(draw, x);
            layer.set_state(0, 1);
            layer.forward(x);
            for (double mean : layer.running(0)) mean2.add(mean * mean);
            for (double v : layer.running(1)) var.add(v);
        }
        out.cells.push_back(
            cell(s, Row::averages, "Var[moving mean]", mean2, theory::moving_average_variance(m, alpha, steps)));
        out.cells.push_back(cell(s, Row::averages, "E[moving variance]", var, 1));
    }
    const Blocks blocks(s.samples / (s.m * batches), s.m * batches);
    Spec spec = batch_norm(0);
    spec.stat_batch = s.m;
    const Shape shape{s.m * batches, blocks.channels, 1};
    Array x = array_of(Device::host, shape, s.dtype);  // recalibration takes host tensors, for every implementation
    Draw draw = draw_of(s, 3, 1);
    Tally mean2, var;
    for (std::int64_t b = 0; b < blocks.count; ++b) {
        draw.first_channel = static_cast<std::uint32_t>(b * blocks.channels);
        fill(draw, x);
        Population population(spec, shape.C, Average::paper);
        population.add(channels_first(x), s.implementation);
        const State state = population.state();
        for (double mean : state.mean) mean2.add(mean * mean);
        for (double v : state.var) var.add(v);
    }
    out.cells.push_back(cell(s, Row::averages, "Var[precise mean]", mean2, theory::variance_of_mean(batches * m)));
    out.cells.push_back(cell(s, Row::averages, "E[precise variance]", var, 1));
}

namespace {

// Error over bound of y = (x - mean) rstd r + d, and of r and d against their limits (infinite where one is passed).
double worst_of_correction(const Trial& s, const std::vector<double>& x, const std::vector<double>& y,
                           const Saved& stats, double r_max, double d_max) {
    const std::size_t C = stats.mean.size();
    double worst = 0;
    for (std::size_t c = 0; c < C; ++c) {
        const double r = stats.r[c], d = stats.d[c], mean = stats.mean[c], rstd = stats.rstd[c],
                     u = unit_roundoff(s.dtype);
        if (!(r >= (1 - 4 * u) / r_max && r <= (1 + 4 * u) * r_max && std::abs(d) <= (1 + 4 * u) * d_max))
            return std::numeric_limits<double>::infinity();
        // a difference, three products, a sum, each rounded; 16 allows for their order
        for (std::size_t j = c; j < x.size(); j += C) {
            const double expected = (x[j] - mean) * rstd * r + d;
            const double bound = 16 * u * ((std::abs(x[j]) + std::abs(mean)) * rstd * r + std::abs(d));
            worst = std::max(worst, std::abs(y[j] - expected) / bound);
        }
    }
    return worst;
}

}  // namespace

void measure_clipping(const Trial& s, Measured& out) {
    const double m = static_cast<double>(s.m);
    constexpr double r_max = 3, slack = 1e-6;  // a limit itself may be rounded to f32
    // beyond 5 sigma there is nothing to see; the last is passed by 13 % for every m
    for (const double d_max : {5.0, 0.5, 1.5 / std::sqrt(m)}) {
        const Blocks blocks(s.samples / s.m, s.m);
        MeasuredNorm layer(batch_renorm(r_max, d_max, 0), {s.m, blocks.channels, 1}, Mode::train, s.dtype,
                           s.implementation);
        Array x = layer.array();
        Draw draw = draw_of(s, 4, d_max == 5 ? 0 : d_max == 0.5 ? 1 : 2);
        double worst = 0;
        std::int64_t n = 0, clipped_r = 0, clipped_d = 0;
        for (std::int64_t b = 0; b < blocks.count; ++b) {
            draw.first_channel = static_cast<std::uint32_t>(b * blocks.channels);
            fill(draw, x);
            layer.set_state(0, 1);
            layer.forward(x);
            const Saved stats = layer.saved();
            // Clipped is at the limit, not beyond it.
            for (double r : stats.r) clipped_r += std::abs(r * r_max - 1) <= slack;
            for (double d : stats.d) clipped_d += std::abs(std::abs(d) / d_max - 1) <= slack;
            worst = std::max(worst, worst_of_correction(s, x.values(), layer.y(), stats, r_max, d_max));
            n += blocks.channels;
        }
        if (d_max == 5)
            out.cells.push_back(proportion(s, Row::clipping, "P(r < 1/3)", clipped_r, n, theory::clipped_r(m, r_max)));
        const std::string limit = d_max == 5 ? "5" : d_max == 0.5 ? "0.5" : "1.5/sqrt(m)";
        out.cells.push_back(
            proportion(s, Row::clipping, "P(|d| > " + limit + ")", clipped_d, n, theory::clipped_d(m, d_max)));
        out.cells.push_back(identity(s, Row::clipping, "y = x_hat r + d, limits " + limit, worst, n));
    }
}

}  // namespace normlab::noise
