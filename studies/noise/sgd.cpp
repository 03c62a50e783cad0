// The row on scale invariance: SGD on a loss that does not feel the size of w. L = sum_j t_j x_hat_j with x_hat the
// batch norm of X w (eps = 0); X and t are drawn afresh at every step, so that the squared gradient on the unit sphere
// has the same law everywhere. A channel is one such optimisation.
#include <algorithm>

#include "norms/variants/batch_norm.hpp"
#include "studies/noise/experiments.hpp"
#include "studies/noise/theory.hpp"

namespace normlab::noise {
namespace {

constexpr std::size_t p = 4;  // weights

struct Run {
    const char* quantity;
    double step, decay;  // eta, lambda
    std::int64_t steps;
    double start;  // |w_0|^2
};

struct Outcome {
    Tally fourth_power;  // |w|^4 at the end
    double worst = 0;    // of |w - eta dw|^2 = |w|^2 + eta^2 |dw|^2, over its bound
};

Outcome descend(const Trial& s, const Run& run, unsigned stream, std::int64_t channels) {
    const auto C = static_cast<std::size_t>(channels), m = static_cast<std::size_t>(s.m);
    Spec spec = batch_norm(0);
    spec.running = Running::none;
    MeasuredNorm layer(spec, {s.m, channels, 1}, Mode::train, s.dtype, s.implementation);
    Array inputs = array_of(Device::host, {s.m * static_cast<std::int64_t>(p), channels, 1}, DType::f64),
          z = layer.array(), dy = layer.array();
    Draw draw_inputs = draw_of(s, 6, stream), draw_targets = draw_of(s, 6, stream + 1);
    draw_targets.scale = 1 / std::sqrt(static_cast<double>(m));

    std::vector<double> w(p * C, std::sqrt(run.start / p)), dw(p * C), product(m * C);
    Outcome out;
    for (std::int64_t step = 0; step < run.steps; ++step) {
        draw_inputs.first_channel = draw_targets.first_channel = static_cast<std::uint32_t>(step * channels);
        fill(draw_inputs, inputs);
        fill(draw_targets, dy);
        const std::vector<double> x = inputs.values();  // [m, p, C]
        std::ranges::fill(product, 0.0);
        for (std::size_t j = 0; j < m; ++j)
            for (std::size_t k = 0; k < p; ++k)
                for (std::size_t c = 0; c < C; ++c) product[j * C + c] += x[(j * p + k) * C + c] * w[k * C + c];
        z.set(product);
        layer.forward(z);
        layer.backward(z, dy);
        const std::vector<double> dz = layer.dx(), t = dy.values();
        const Saved stats = layer.saved();
        std::ranges::fill(dw, 0.0);
        for (std::size_t j = 0; j < m; ++j)
            for (std::size_t k = 0; k < p; ++k)
                for (std::size_t c = 0; c < C; ++c) dw[k * C + c] += x[(j * p + k) * C + c] * dz[j * C + c];
        for (std::size_t c = 0; c < C; ++c) {
            double before = 0, squared = 0, moved = 0, size = 0;
            for (std::size_t k = 0; k < p; ++k) {
                double& weight = w[k * C + c];
                const double slope = run.step * dw[k * C + c], straight = weight - slope;
                before += weight * weight, squared += slope * slope, moved += straight * straight;
                weight = (1 - run.step * run.decay) * weight - slope;
            }
            // The rest is 2 eta <w, dw> = 2 eta sum z dz: dz's rounding, as in gradients.cpp, against z of size (|mean|
            // + sigma sqrt(m)).
            for (std::size_t j = 0; j < m; ++j) size += std::abs(t[j * C + c]);
            const double mean = std::abs(stats.mean[c]), root = std::sqrt(stats.var[c]), count = static_cast<double>(m);
            const double e = x_hat_rounding(s.dtype, s.m, mean, stats.var[c], stats.rstd[c]),
                         u = unit_roundoff(s.dtype);
            const double dz_error =
                stats.rstd[c] * size * (1 + std::sqrt(count)) * ((3 * count + 20) * u + 4 * e / count);
            const double bound =
                2 * run.step * dz_error * (mean + root * std::sqrt(count)) + 20 * u * (before + squared);
            const double ratio = std::abs(moved - before - squared) / bound;
            if (!(ratio <= out.worst)) out.worst = ratio;
        }
    }
    for (std::size_t c = 0; c < C; ++c) {
        double square = 0;
        for (std::size_t k = 0; k < p; ++k) square += w[k * C + c] * w[k * C + c];
        out.fourth_power.add(square * square);
    }
    return out;
}

}  // namespace

void measure_sgd(const Trial& s, Measured& out) {
    constexpr std::int64_t steps = 1000;
    const std::int64_t channels = std::max<std::int64_t>(s.samples / (512 * s.m), 2);
    const double m = static_cast<double>(s.m), weights = p;
    const double G = theory::sphere_gradient(m, weights), G2 = theory::sphere_gradient_squared(m, weights);
    // |w|^4 <- |w|^4 + 2 eta^2 g + eta^4 g^2 / |w|^4 ... with g of mean G: the last term is what the law leaves out, at
    // most eta^4 G2 a step
    {
        const Run run{"|w|^4 after 1000 steps", std::sqrt(1e-3 / G), 0, steps, 1};
        const Outcome o = descend(s, run, 0, channels);
        const double eta2 = run.step * run.step, T = steps, left_out = eta2 * eta2 * G2 * T;
        out.cells.push_back(
            cell(s, Row::scale_invariance, run.quantity, o.fourth_power, 1 + 2 * eta2 * G * T, left_out));
        out.cells.push_back(
            identity(s, Row::scale_invariance, "|w - eta dw|^2 = |w|^2 + eta^2 |dw|^2", o.worst, steps * channels));
    }
    // e = eta lambda: the fixed point of |w|^4 <- (1-e)^4 |w|^4 + 2 (1-e)^2 eta^2 g + ... differs from eta G / (2
    // lambda) by less than e (1 + G2 / G^2),
    {
        // relative; of the start, twice the fixed point, exp(-4 e T) is left
        constexpr double e = 5e-3;
        const double eta = 0.1, lambda = e / eta, fixed = eta * G / (2 * lambda);
        const Run run{"|w|^4 with weight decay", eta, lambda, steps, std::sqrt(2 * fixed)};
        const Outcome o = descend(s, run, 2, channels);
        out.cells.push_back(cell(s, Row::scale_invariance, run.quantity, o.fourth_power, fixed,
                                 fixed * (e * (1 + G2 / (G * G)) + std::exp(-4 * e * steps))));
    }
}

}  // namespace normlab::noise
