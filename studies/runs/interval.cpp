#include "studies/runs/interval.hpp"

#include <fmt/format.h>
#include <boost/math/distributions/students_t.hpp>

namespace normlab::studies {

Interval mean_of(std::span<const double> values) {
    const auto n = static_cast<double>(values.size());
    double mean = 0, squares = 0;
    for (const double v : values) mean += v / n;
    if (values.empty()) return {NAN};
    if (values.size() == 1 || !std::isfinite(mean)) return {mean};
    for (const double v : values) squares += (v - mean) * (v - mean);
    const double t = boost::math::quantile(boost::math::students_t(n - 1), 0.5 + level / 2),
                 half = t * std::sqrt(squares / (n - 1) / n);
    return {mean, mean - half, mean + half};
}

double worst(std::span<const double> values) {
    double largest = 0;
    for (const double v : values)
        if (!(v <= largest)) largest = v;
    return largest;
}

std::string text_of(const Interval& i) {
    if (i.low == i.high) return fmt::format("{:.4g}", i.value);
    return fmt::format("{:.4g} [{:.4g}, {:.4g}]", i.value, i.low, i.high);
}

}  // namespace normlab::studies
