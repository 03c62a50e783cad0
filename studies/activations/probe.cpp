#include "studies/activations/probe.hpp"

#include <algorithm>
#include <cmath>

namespace normlab::studies::sigmoids {
namespace {

std::vector<double> unit_values(const std::vector<double>& values, std::size_t units, std::size_t unit) {
    std::vector<double> own;
    for (std::size_t i = unit; i < values.size(); i += units) own.push_back(values[i]);
    return own;
}

double interpolated(const std::vector<double>& sorted, double p) {
    const double at = p * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(at), above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

double quantile(std::vector<double> values, double p) {
    if (values.empty()) return NAN;
    std::ranges::sort(values);
    return interpolated(values, p);
}

Shape shape_of(const std::vector<double>& values, std::size_t units) {
    std::vector<double> skewness, kurtosis;
    for (std::size_t unit = 0; unit < units; ++unit) {
        const std::vector<double> own = unit_values(values, units, unit);
        const auto n = static_cast<double>(own.size());
        double mean = 0, m2 = 0, m3 = 0, m4 = 0;
        for (const double v : own) mean += v / n;
        for (const double v : own) {
            const double d = v - mean;
            m2 += d * d / n, m3 += d * d * d / n, m4 += d * d * d * d / n;
        }
        if (!(m2 > 1e-12 * mean * mean)) continue;  // constant, to the rounding of f32
        skewness.push_back(std::abs(m3) / std::pow(m2, 1.5));
        kurtosis.push_back(m4 / (m2 * m2) - 3);
    }
    return {quantile(skewness, 0.5), quantile(kurtosis, 0.5)};
}

std::array<double, 3> percentiles_of(const std::vector<double>& values, std::size_t units, std::size_t unit) {
    std::vector<double> own = unit_values(values, units, unit);
    std::ranges::sort(own);
    return {interpolated(own, 0.15), interpolated(own, 0.5), interpolated(own, 0.85)};
}

void Drift::add(const std::vector<double>& values, std::size_t units) {
    sums_.resize(units), squares_.resize(units);
    for (std::size_t unit = 0; unit < units; ++unit) {
        const std::array<double, 3> p = percentiles_of(values, units, unit);
        for (std::size_t k = 0; k < 3; ++k) sums_[unit][k] += p[k], squares_[unit][k] += p[k] * p[k];
    }
    ++times_;
}

double Drift::value() const {
    double moved = 0, spread = 0;
    for (std::size_t unit = 0; unit < sums_.size(); ++unit) {
        for (std::size_t k = 0; k < 3; ++k) {
            const double mean = sums_[unit][k] / times_;
            moved += std::sqrt(std::max(squares_[unit][k] / times_ - mean * mean, 0.0)) / 3;
        }
        spread += (sums_[unit][2] - sums_[unit][0]) / times_;
    }
    return moved / spread;
}

double saturated(const std::vector<double>& outputs) {
    const auto count = std::ranges::count_if(outputs, [](double v) { return v < 0.05 || v > 0.95; });
    return static_cast<double>(count) / static_cast<double>(outputs.size());
}

}  // namespace normlab::studies::sigmoids
