// Rows on one batch's mean, variance and x_hat: forward in training, and in evaluation on population statistics.
#include <fmt/format.h>

#include "norms/variants/batch_norm.hpp"
#include "studies/noise/experiments.hpp"
#include "studies/noise/theory.hpp"

namespace normlab::noise {
namespace {

// batches whose law is tested: sorting more would take longer than drawing them
constexpr std::size_t law_size = 1 << 17;

// Means of values that may have none, and what is judged in their place.
class Inverse {
public:
    Inverse(const Trial& s, int power) : trial_(s), power_(power), diverges_(s.m <= power + 1) {}

    void add(double value) {
        mean_.add(value);
        if (!diverges_) return;
        for (std::size_t i = 0; i < std::size(caps); ++i) capped_[i].add(std::fmin(value, caps[i]));
        if ((mean_.count() & (mean_.count() - 1)) == 0) running_.push_back(mean_.mean());
    }
    void report(Measured& out, double distance, std::size_t law_count) const {
        const double m = static_cast<double>(trial_.m);
        const Row row = power_ == 1 ? Row::inverse_sigma : Row::inverse_variance;
        const std::string name = power_ == 1 ? "1/sigma_B" : "1/var_B";
        if (diverges_) {
            for (std::size_t i = 0; i < std::size(caps); ++i)
                out.cells.push_back(cell(trial_, row, fmt::format("E[min({}, {})]", name, caps[i]), capped_[i],
                                         theory::mean_inverse_capped(m, power_, caps[i])));
            out.running_means.push_back({name, trial_.implementation.name(), trial_.m, running_});
            return;
        }
        const Cell c = cell(trial_, row, fmt::format("E[{}]", name), mean_,
                            power_ == 1 ? theory::mean_inverse_sigma(m) : theory::mean_inverse_variance(m));
        out.cells.push_back(fourth_moment(trial_.m, power_) ? c : by_law(c, distance, law_count));
    }

private:
    static constexpr double caps[] = {10, 100, 1000};
    const Trial& trial_;
    int power_;
    bool diverges_;
    Tally mean_, capped_[std::size(caps)];
    std::vector<double> running_;
};

}  // namespace

void measure_statistics(const Trial& s, Measured& out) {
    const bool is_normal = s.distribution == Distribution::normal;
    const double m = static_cast<double>(s.m), expected = theory::mean_of_variance(m);
    const Blocks blocks(s.samples / s.m, s.m);
    Spec spec = batch_norm(0);
    MeasuredNorm evaluated(spec, {s.m, blocks.channels, 1}, Mode::eval, s.dtype, s.implementation);
    spec.running = Running::none;
    MeasuredNorm layer(spec, {s.m, blocks.channels, 1}, Mode::train, s.dtype, s.implementation);
    Array x = layer.array();
    Draw draw = draw_of(s, 0);

    Tally mean2, var, var2, both, sigma, gap, gap_biased, gap_residual, kurtosis, relu, rounding;
    Inverse inverse_sigma(s, 1), inverse_variance(s, 2);
    std::vector<double> scaled_vars, squares;
    for (std::int64_t b = 0; b < blocks.count; ++b) {
        draw.first_channel = static_cast<std::uint32_t>(b * blocks.channels);
        fill(draw, x);
        layer.forward(x);
        const Saved stats = layer.saved();
        const std::vector<double> y = layer.y();
        evaluated.set_state(0, 1);
        evaluated.forward(x);
        const std::vector<double> y_population = evaluated.y();
        std::vector<double> y_biased;
        if (is_normal) {
            evaluated.set_state(0, expected);
            evaluated.forward(x);
            y_biased = evaluated.y();
        }
        const auto C = static_cast<std::size_t>(blocks.channels);
        for (std::size_t c = 0; c < C; ++c) {
            const double v = stats.var[c], root = std::sqrt(v), rstd = stats.rstd[c];
            double apart = 0, apart_biased = 0, fourth = 0, positive = 0;
            for (std::size_t j = c; j < y.size(); j += C) {
                apart += (y[j] - y_population[j]) * (y[j] - y_population[j]);
                if (!is_normal) continue;
                apart_biased += (y[j] - y_biased[j]) * (y[j] - y_biased[j]);
                fourth += y[j] * y[j] * y[j] * y[j];
                positive += std::fmax(y[j], 0.0);
            }
            mean2.add(stats.mean[c] * stats.mean[c]);
            var.add(v);
            var2.add((v - expected) * (v - expected));
            both.add(stats.mean[c] * (v - expected));
            gap_residual.add(apart / m - 2 * (1 - root));
            if (!is_normal) continue;
            sigma.add(root);
            inverse_sigma.add(rstd);
            inverse_variance.add(rstd * rstd);
            gap.add(apart / m);
            gap_biased.add(apart_biased / m);
            kurtosis.add(fourth / m);
            relu.add(positive / m);
            rounding.add(x_hat_rounding(s.dtype, s.m, stats.mean[c], v, rstd) / m);
            if (scaled_vars.size() < law_size)
                scaled_vars.push_back(m / (rstd * rstd)), squares.push_back(y[c] * y[c] / (m - 1));
        }
    }

    const auto moments = theory::moments(s.distribution);
    out.cells.push_back(cell(s, Row::moments, "Var[mu_B]", mean2, theory::variance_of_mean(m)));
    out.cells.push_back(cell(s, Row::moments, "E[var_B]", var, expected));
    out.cells.push_back(
        cell(s, Row::variance_of_variance, "Var[var_B]", var2, theory::variance_of_variance(m, moments.kurtosis)));
    out.cells.push_back(cell(s, Row::covariance, "Cov[mu_B, var_B]", both, theory::covariance(m, moments.mu3)));
    out.cells.push_back(cell(s, Row::gap, "gap - 2(1 - sigma_B)", gap_residual, 0));
    if (!is_normal) return;
    const double distance = distance_from_law(scaled_vars, [&](double y) { return theory::chi_squared_law(m - 1, y); });
    out.cells.push_back(cell(s, Row::sigma, "E[sigma_B]", sigma, theory::mean_sigma(m)));
    inverse_sigma.report(out, distance, scaled_vars.size());
    inverse_variance.report(out, distance, scaled_vars.size());
    out.cells.push_back(cell(s, Row::gap, "gap", gap, theory::gap(m)));
    out.cells.push_back(cell(s, Row::gap_biased, "gap", gap_biased, theory::gap_biased(m)));
    // At m = 2 neither varies: what rounding may do is the tolerance.
    out.cells.push_back(cell(s, Row::x_hat, "kurtosis", kurtosis, theory::x_hat_kurtosis(m), 4 * rounding.mean()));
    out.cells.push_back(cell(s, Row::relu, "E[relu(x_hat)]", relu, theory::mean_relu(m), rounding.mean()));
    if (s.m == 2) return;
    Tally beta;
    for (double v : squares) beta.add(v);
    out.cells.push_back(by_law(cell(s, Row::x_hat, "law of x_hat^2 / (m-1)", beta, 1 / (m - 1)),
                               distance_from_law(squares, [&](double t) { return theory::x_hat_law(m, t); }),
                               squares.size()));
}

}  // namespace normlab::noise
