#pragma once
// Whether a gradient is that of its function: for any function of a vector, of which nothing is known but its values.
// The checks of the norms are made of the same parts.

#include <functional>
#include <span>

#include "verify/check/check.hpp"

namespace normlab::verify {

/// A derivative, and an estimate of its own error.
struct Numeric {
    double value = 0, estimate = 0;
};

/// The limit of f(h) for h -> 0, f(h) a central difference of step h: Ridders' extrapolation, with steps from
/// `first_step` down by halves (Ridders
/// 1982).
Numeric ridders(const std::function<double(double)>& f, double first_step);

/// One number of the backward pass and what an oracle says of it.
struct Comparison {
    double analytic = 0, numeric = 0;
    double tolerance = 0;
    double signal = 0;    ///< the size that is expected of such a number
    double estimate = 0;  ///< of the oracle's own error
    bool none = false;    ///< the oracle knows that it is 0, as behind a relu that is 0 everywhere
};

/// FAIL beyond tolerance + 3 * estimate, and for NaN; else UNRESOLVED where the oracle is blind: estimate > tolerance,
/// or signal < 10 * tolerance, but not for a 0 where the oracle knows that there is none. FAIL beats UNRESOLVED beats
/// PASS; of those the worst. `name` says what entry k is.
Finding judge(std::string_view quantity, const std::vector<Comparison>& all,
              const std::function<std::string(std::size_t)>& name);

/// The order in h of a remainder of which the sizes at h = 2^-k are added for k = 3, 4, ..., 10.
class RemainderOrder {
public:
    static constexpr int first = 3, last = 10;

    /// `floor`: what rounding may be twenty times or more below. The first remainder below it ends the series. NaN
    /// counts as seen.
    void add(int k, double remainder, double floor);
    bool seen() const { return nan_ || points_.size() >= 4; }  ///< enough above rounding to tell
    bool nan() const { return nan_; }
    std::size_t steps() const { return points_.size(); }
    /// Of the least squares line through log2 of the sizes; NaN where one is, 2 where there are too few.
    double value() const;
    /// How far the order is from 2 between any two neighbouring steps.
    double departure() const;

private:
    std::vector<std::pair<double, double>> points_;
    bool over_ = false, nan_ = false;
};

/// A sum and the sum of its terms' sizes, by which its rounding is measured.
struct Sum {
    double value = 0, size = 0;
};
using ScalarFunction = std::function<Sum(std::span<const double> x)>;

struct GradientSettings {
    double roundings = 100;  ///< how many roundings of f64 a term of the function may carry
    /// the function has no kink within this distance of x in one element, and differs in scale beyond it
    double step = 0.25;
    /// the order too, along whole directions of length `step`, which must not meet a kink either
    bool taylor = true;
    std::uint64_t seed = 1;
};

/// Two findings. "NAME, elements": every gradient[k] against Ridders' difference. It FAILS beyond
///     (roundings u + 10 (roundings u)^0.8) size / step + 3 (Ridders' own estimate):
/// a gradient is of the size `size` / `step` where the function changes by itself over a step, its rounding is relative
/// to that, and the second term is what a five-point formula reaches at its best step; Ridders does no worse.
/// UNRESOLVED where the largest difference is not ten times that. "NAME, order": along a direction, phi(x + h d) -
/// phi(x) - h <gradient, d> is of order 2 +- 0.1 in h; for a function linear along d no more than rounding.
std::vector<Finding> check_gradient(std::string_view name, const ScalarFunction& phi, std::span<const double> x,
                                    std::span<const double> gradient, const GradientSettings& settings = {});

}  // namespace normlab::verify
