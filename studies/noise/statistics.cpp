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

// x_hat of one block of batches, a channel each: by their own statistics, by the population's, and by the population's
// mean with the variance that the batches have in the mean, of normal values only.
struct XHat {
    std::vector<double> y, population, biased;
};

// What is kept of each batch, and what the table says of it.
class Batches {
public:
    explicit Batches(const Trial& trial) : trial_(trial), is_normal_(trial.distribution == Distribution::normal) {}

    void add(const Saved& stats, const XHat& x_hat, std::size_t channels) {
        for (std::size_t c = 0; c < channels; ++c) {
            const double v = stats.var[c], root = std::sqrt(v);
            double apart = 0;
            for (std::size_t j = c; j < x_hat.y.size(); j += channels)
                apart += (x_hat.y[j] - x_hat.population[j]) * (x_hat.y[j] - x_hat.population[j]);
            mean2_.add(stats.mean[c] * stats.mean[c]);
            var_.add(v);
            var2_.add((v - expected_) * (v - expected_));
            both_.add(stats.mean[c] * (v - expected_));
            gap_residual_.add(apart / m_ - 2 * (1 - root));
            if (!is_normal_) continue;
            gap_.add(apart / m_);
            add_normal(stats, x_hat, channels, c);
        }
    }

    void report(Measured& out) const {
        const auto moments = theory::moments(trial_.distribution);
        const double of_variance = theory::variance_of_variance(m_, moments.kurtosis);
        out.cells.push_back(cell(trial_, Row::moments, "Var[mu_B]", mean2_, theory::variance_of_mean(m_)));
        out.cells.push_back(cell(trial_, Row::moments, "E[var_B]", var_, expected_));
        out.cells.push_back(cell(trial_, Row::variance_of_variance, "Var[var_B]", var2_, of_variance));
        out.cells.push_back(
            cell(trial_, Row::covariance, "Cov[mu_B, var_B]", both_, theory::covariance(m_, moments.mu3)));
        out.cells.push_back(cell(trial_, Row::gap, "gap - 2(1 - sigma_B)", gap_residual_, 0));
        if (is_normal_) report_normal(out);
    }

private:
    void add_normal(const Saved& stats, const XHat& x_hat, std::size_t channels, std::size_t c) {
        const double v = stats.var[c], rstd = stats.rstd[c];
        double apart = 0, fourth = 0, positive = 0;
        for (std::size_t j = c; j < x_hat.y.size(); j += channels) {
            const double y = x_hat.y[j];
            apart += (y - x_hat.biased[j]) * (y - x_hat.biased[j]);
            fourth += y * y * y * y;
            positive += std::fmax(y, 0.0);
        }
        sigma_.add(std::sqrt(v));
        inverse_sigma_.add(rstd);
        inverse_variance_.add(rstd * rstd);
        gap_biased_.add(apart / m_);
        kurtosis_.add(fourth / m_);
        relu_.add(positive / m_);
        rounding_.add(x_hat_rounding(trial_.dtype, trial_.m, stats.mean[c], v, rstd) / m_);
        if (scaled_vars_.size() < law_size)
            scaled_vars_.push_back(m_ / (rstd * rstd)), squares_.push_back(x_hat.y[c] * x_hat.y[c] / (m_ - 1));
    }

    void report_normal(Measured& out) const {
        const double distance =
            distance_from_law(scaled_vars_, [&](double y) { return theory::chi_squared_law(m_ - 1, y); });
        out.cells.push_back(cell(trial_, Row::sigma, "E[sigma_B]", sigma_, theory::mean_sigma(m_)));
        inverse_sigma_.report(out, distance, scaled_vars_.size());
        inverse_variance_.report(out, distance, scaled_vars_.size());
        out.cells.push_back(cell(trial_, Row::gap, "gap", gap_, theory::gap(m_)));
        out.cells.push_back(cell(trial_, Row::gap_biased, "gap", gap_biased_, theory::gap_biased(m_)));
        // At m = 2 neither varies: what rounding may do is the tolerance.
        out.cells.push_back(
            cell(trial_, Row::x_hat, "kurtosis", kurtosis_, theory::x_hat_kurtosis(m_), 4 * rounding_.mean()));
        out.cells.push_back(cell(trial_, Row::relu, "E[relu(x_hat)]", relu_, theory::mean_relu(m_), rounding_.mean()));
        if (trial_.m == 2) return;
        Tally beta;
        for (const double v : squares_) beta.add(v);
        out.cells.push_back(by_law(cell(trial_, Row::x_hat, "law of x_hat^2 / (m-1)", beta, 1 / (m_ - 1)),
                                   distance_from_law(squares_, [&](double t) { return theory::x_hat_law(m_, t); }),
                                   squares_.size()));
    }

    const Trial& trial_;
    bool is_normal_;
    double m_ = static_cast<double>(trial_.m), expected_ = theory::mean_of_variance(m_);
    Tally mean2_, var_, var2_, both_, gap_residual_;
    // of normal values only
    Tally sigma_, gap_, gap_biased_, kurtosis_, relu_, rounding_;
    Inverse inverse_sigma_{trial_, 1}, inverse_variance_{trial_, 2};
    std::vector<double> scaled_vars_, squares_;
};

}  // namespace

void measure_statistics(const Trial& s, Measured& out) {
    const Blocks blocks(s.samples / s.m, s.m);
    Spec spec = batch_norm(0);
    MeasuredNorm evaluated(spec, {s.m, blocks.channels, 1}, Mode::eval, s.dtype, s.implementation);
    spec.running = Running::none;
    MeasuredNorm layer(spec, {s.m, blocks.channels, 1}, Mode::train, s.dtype, s.implementation);
    Array x = layer.array();
    Draw draw = draw_of(s, 0);
    const auto by_variance = [&](double var) {
        evaluated.set_state(0, var);
        evaluated.forward(x);
        return evaluated.y();
    };
    Batches batches(s);
    for (std::int64_t b = 0; b < blocks.count; ++b) {
        draw.first_channel = static_cast<std::uint32_t>(b * blocks.channels);
        fill(draw, x);
        layer.forward(x);
        XHat x_hat{layer.y(), by_variance(1), {}};
        if (s.distribution == Distribution::normal)
            x_hat.biased = by_variance(theory::mean_of_variance(static_cast<double>(s.m)));
        batches.add(layer.saved(), x_hat, static_cast<std::size_t>(blocks.channels));
    }
    batches.report(out);
}

}  // namespace normlab::noise
