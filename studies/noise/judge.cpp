#include "studies/noise/judge.hpp"

#include <algorithm>
#include <limits>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>

namespace normlab::noise {
namespace {

void judge_cell(Cell& c, double level) {
    const double n = static_cast<double>(c.n);
    c.low = c.high = std::numeric_limits<double>::quiet_NaN();
    if (c.method == Method::interval) {
        const double half = boost::math::quantile(boost::math::complement(boost::math::students_t(n - 1), level / 2)) *
                            c.standard_error;
        c.low = c.measured - half, c.high = c.measured + half;
        c.statistic = std::abs(c.measured - c.theory);
        c.limit = c.tolerance + half + n * 0x1p-53 * std::abs(c.theory);  // the last: rounding in the tally
    } else if (c.method == Method::proportion) {
        using Binomial = boost::math::binomial_distribution<>;
        const double events = std::round(c.measured * n);
        c.low = Binomial::find_lower_bound_on_p(n, events, level / 2),
        c.high = Binomial::find_upper_bound_on_p(n, events, level / 2);
        c.statistic = std::abs(c.measured - c.theory);
        c.limit = c.theory < c.measured ? c.measured - c.low : c.high - c.measured;
    } else {
        c.limit = c.method == Method::law ? std::sqrt(std::log(2 / level) / (2 * n)) : 1;
    }
    c.held = c.statistic <= c.limit;  // false for NaN
}

}  // namespace

std::string_view title_of(Row row) {
    constexpr std::string_view titles[row_count] = {
        "Var[mu_B], E[var_B]",    "Var[var_B]",          "Cov[mu_B, var_B]",     "E[sigma_B]",
        "E[1/sigma_B]",           "E[1/var_B]",          "train/eval gap",       "gap, biased average",
        "x_hat in its own batch", "E[relu(x_hat)]",      "clusters, not i.i.d.", "moving average, precise",
        "batch renorm clipping",  "gradient through BN", "growth per layer",     "scale invariance, SGD"};
    return titles[static_cast<std::size_t>(row)];
}

std::string_view name_of(Method method) {
    constexpr std::string_view names[] = {"interval", "proportion", "law", "identity"};
    return names[static_cast<std::size_t>(method)];
}

std::string_view name_of(Distribution distribution) {
    constexpr std::string_view names[] = {"normal", "exponential", "uniform"};
    return names[static_cast<std::size_t>(distribution)];
}

void Tally::add(double value) {
    const double from_mean = value - mean_;
    mean_ += from_mean / static_cast<double>(++n_);
    squares_ += from_mean * (value - mean_);
}

double Tally::standard_error() const {
    const double n = static_cast<double>(n_);
    return n_ > 1 ? std::sqrt(squares_ / (n - 1) / n) : std::numeric_limits<double>::infinity();
}

double distance_from_law(std::vector<double> values, const std::function<double(double)>& law) {
    std::ranges::sort(values);
    const double n = static_cast<double>(values.size());
    double worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double p = law(values[i]), below = static_cast<double>(i) / n, upto = static_cast<double>(i + 1) / n;
        worst = std::max({worst, p - below, upto - p});
    }
    return worst;
}

double judge(std::vector<Cell>& cells, double alpha) {
    const auto random = std::ranges::count_if(cells, [](const Cell& c) { return c.method != Method::identity; });
    const double level = alpha / static_cast<double>(std::max<std::ptrdiff_t>(random, 1));
    for (Cell& c : cells) judge_cell(c, level);
    return level;
}

}  // namespace normlab::noise
