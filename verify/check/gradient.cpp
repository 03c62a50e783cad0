#include "verify/check/gradient.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

namespace normlab::verify {

Numeric ridders(const std::function<double(double)>& f, double first_step) {
    constexpr int rows = 10;
    std::array<std::array<double, rows>, rows> a{};
    Numeric best{0, std::numeric_limits<double>::infinity()};
    double h = first_step;
    for (std::size_t i = 0; i < rows; ++i, h /= 2) {
        a[0][i] = f(h);
        double power = 1;
        for (std::size_t j = 1; j <= i; ++j) {
            power *= 4;
            a[j][i] = (a[j - 1][i] * power - a[j - 1][i - 1]) / (power - 1);
            const double e = std::max(std::abs(a[j][i] - a[j - 1][i]), std::abs(a[j][i] - a[j - 1][i - 1]));
            if (e <= best.estimate) best = {a[j][i], e};
        }
    }
    return best;
}

Finding judge(std::string_view quantity, const std::vector<Comparison>& all,
              const std::function<std::string(std::size_t)>& name) {
    std::vector<Finding> findings;
    for (const Comparison& c : all) {
        Finding f = measured(quantity, std::abs(c.analytic - c.numeric), c.tolerance + 3 * c.estimate);
        // of a zero that is right there is no more to see: relu lets nothing through where z is negative
        const bool zero = c.signal == 0 && f.error == 0;
        const bool blind = c.estimate > c.tolerance || !(zero || c.signal >= 10 * c.tolerance);
        if (f.verdict == Verdict::pass && blind) f.verdict = Verdict::unresolved;
        findings.push_back(f);
    }
    const std::size_t k = worst_index(findings);
    findings[k].where = fmt::format("{}: {:.9g}, numeric {:.9g}", name(k), all[k].analytic, all[k].numeric);
    if (all[k].estimate > 0) findings[k].where += fmt::format(" +- {:.1e}", all[k].estimate);
    if (findings[k].verdict == Verdict::unresolved)
        findings[k].where += fmt::format(", expected size {:.1e}", all[k].signal);
    return findings[k];
}

void RemainderOrder::add(int k, double remainder, double floor) {
    nan_ = nan_ || std::isnan(remainder);
    over_ = over_ || remainder < floor;
    if (!over_) points_.emplace_back(-k, std::log2(remainder));
}

double RemainderOrder::value() const {
    if (nan_) return std::numeric_limits<double>::quiet_NaN();
    return seen() ? fitted_slope(points_) : 2;
}

double RemainderOrder::departure() const {
    double worst = 0;
    for (std::size_t i = 1; i < points_.size(); ++i)
        worst = std::max(worst, std::abs(points_[i - 1].second - points_[i].second - 2));
    return worst;
}

namespace {

// phi along one line through x.
class Line {
public:
    Line(const ScalarFunction& phi, std::span<const double> x, const std::vector<double>& direction)
        : phi_(phi), x_(x), direction_(direction), moved_(x.begin(), x.end()) {}

    Sum at(double h) {
        for (std::size_t k = 0; k < moved_.size(); ++k) moved_[k] = x_[k] + h * direction_[k];
        return phi_(moved_);
    }
    Numeric slope(double step) {
        return ridders([&](double h) { return (at(h).value - at(-h).value) / (2 * h); }, step);
    }

private:
    const ScalarFunction& phi_;
    std::span<const double> x_;
    const std::vector<double>& direction_;
    std::vector<double> moved_;
};

// As in checks/taylor.cpp: the direction is one along which the true remainder is of order 2 +- 0.05 at these steps,
// which its slope by Ridders tells without the gradient; rounding, a twentieth of the smallest remainder that counts,
// moves the order by less than another 0.05.
Finding order(std::string_view name, const ScalarFunction& phi, std::span<const double> x,
              std::span<const double> gradient, const GradientSettings& s) {
    constexpr int candidates = 32;
    const double u = unit_roundoff(DType::f64);
    Random random(s.seed);
    const Sum start = phi(x);
    Finding linear = measured(std::string(name) + ", order", 0, 0.1, "linear along every direction");
    for (int candidate = 0; candidate < candidates; ++candidate) {
        std::vector<double> direction = random.normals(x.size());
        const double length = std::sqrt(std::inner_product(direction.begin(), direction.end(), direction.begin(), 0.0));
        for (double& d : direction) d *= s.step / length;
        Line line(phi, x, direction);
        const Numeric slope = line.slope(0.5);
        const double claimed = std::inner_product(direction.begin(), direction.end(), gradient.begin(), 0.0);
        RemainderOrder right, ours;
        double largest_rounding = 0, first_remainder = 0;
        for (int k = RemainderOrder::first; k <= RemainderOrder::last; ++k) {
            const double h = std::exp2(-k), rounding = 2 * s.roundings * u * start.size + h * slope.estimate;
            const double change = line.at(h).value - start.value, remainder = std::abs(change - h * slope.value);
            if (k == RemainderOrder::first)
                largest_rounding = rounding, first_remainder = std::abs(change - h * claimed);
            right.add(k, remainder, 20 * rounding);
            // the same steps for ours: those at which the true remainder stands out of rounding
            if (right.steps() > ours.steps()) ours.add(k, std::abs(change - h * claimed), 0);
        }
        // linear along d: the remainder is rounding, at the largest step too, where a wrong gradient shows most
        if (right.steps() == 0) {
            linear = measured(linear.quantity, first_remainder, largest_rounding, "linear: the remainder is rounding");
            if (linear.verdict == Verdict::fail) return linear;
        } else if (right.seen() && right.departure() < 0.05) {
            return measured(linear.quantity, std::abs(ours.value() - 2), 0.1,
                            fmt::format("order {:.4f} over {} steps", ours.value(), ours.steps()));
        } else if (candidate + 1 == candidates) {
            linear.verdict = Verdict::unresolved;
            linear.note = "no direction of clear curvature";
        }
    }
    return linear;
}

}  // namespace

std::vector<Finding> check_gradient(std::string_view name, const ScalarFunction& phi, std::span<const double> x,
                                    std::span<const double> gradient, const GradientSettings& s) {
    const double relative = s.roundings * unit_roundoff(DType::f64), size = phi(x).size / s.step;
    const double tolerance = (relative + 10 * std::pow(relative, 0.8)) * size;
    std::vector<double> unit(x.size());
    std::vector<Comparison> all;
    double signal = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
        unit[k] = 1;
        const Numeric numeric = Line(phi, x, unit).slope(s.step);
        unit[k] = 0;
        all.push_back({gradient[k], numeric.value, tolerance, 0, numeric.estimate});
        signal = std::max(signal, std::abs(numeric.value));
    }
    for (Comparison& c : all) c.signal = signal;
    std::vector<Finding> findings{
        judge(std::string(name) + ", elements", all, [](std::size_t k) { return fmt::format("element {}", k); })};
    if (s.taylor) findings.push_back(order(name, phi, x, gradient, s));
    return findings;
}

}  // namespace normlab::verify
