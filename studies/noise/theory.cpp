#include "studies/noise/theory.hpp"

#include <limits>
#include <numbers>

#include <boost/math/distributions/beta.hpp>
#include <boost/math/special_functions/expint.hpp>
#include <boost/math/special_functions/gamma.hpp>

namespace normlab::noise::theory {
namespace {

using std::numbers::pi;
constexpr double infinite = std::numeric_limits<double>::infinity();

// E[Y^a].
double chi_squared_moment(double k, double a) {
    return k / 2 + a > 0 ? std::pow(2, a) * boost::math::tgamma_ratio(k / 2 + a, k / 2) : infinite;
}

// The upper incomplete gamma function for x > 0, also for a = 0 and a = -1/2, by Gamma(a+1, x) = a Gamma(a, x) + x^a
// e^-x.
double upper_gamma(double a, double x) {
    if (a == 0) return boost::math::expint(1, x);
    if (a < 0) return (upper_gamma(a + 1, x) - std::pow(x, a) * std::exp(-x)) / a;
    return boost::math::tgamma(a, x);
}

}  // namespace

Moments moments(Distribution distribution) {
    if (distribution == Distribution::exponential) return {2, 9};
    return {0, distribution == Distribution::normal ? 3 : 1.8};
}

double variance_of_mean(double m) { return 1 / m; }
double mean_of_variance(double m) { return (m - 1) / m; }
double variance_of_variance(double m, double kurtosis) {
    return (m - 1) * ((m - 1) * kurtosis - (m - 3)) / (m * m * m);
}
double covariance(double m, double mu3) { return (m - 1) * mu3 / (m * m); }

double mean_sigma(double m) { return chi_squared_moment(m - 1, 0.5) / std::sqrt(m); }
double mean_inverse_sigma(double m) { return std::sqrt(m) * chi_squared_moment(m - 1, -0.5); }
double mean_inverse_variance(double m) { return m * chi_squared_moment(m - 1, -1); }

double mean_inverse_capped(double m, int power, double limit) {
    const double k = m - 1, a = power / 2.0, y = m * std::pow(limit, -1 / a);
    const double below = std::pow(m / 2, a) * upper_gamma(k / 2 - a, y / 2) / std::tgamma(k / 2);
    return below + limit * chi_squared_law(k, y);
}

double gap(double m) { return 2 * (1 - mean_sigma(m)); }
double gap_biased(double m) { return 1 + m / (m - 1) - 2 * std::sqrt(m / (m - 1)) * mean_sigma(m); }

double x_hat_kurtosis(double m) { return 3 * (m - 1) / (m + 1); }
double x_hat_law(double m, double t) {
    return boost::math::cdf(boost::math::beta_distribution<>(0.5, (m - 2) / 2), std::fmin(t, 1.0));
}
double mean_relu(double m) { return std::sqrt((m - 1) / pi) * boost::math::tgamma_ratio((m - 1) / 2, m / 2) / 2; }
double chi_squared_law(double k, double y) { return boost::math::gamma_p(k / 2, y / 2); }

double clusters_variance_of_mean(double c, double k, double rho) { return rho / c + (1 - rho) / (c * k); }
double moving_average_variance(double m, double alpha, double steps) {
    return alpha / ((2 - alpha) * m) * (1 - std::pow(1 - alpha, 2 * steps));
}
double clipped_r(double m, double r_max) { return chi_squared_law(m - 1, m / (r_max * r_max)); }
double clipped_d(double m, double d_max) { return std::erfc(d_max * std::sqrt(m / 2)); }
double gradient_fraction(double m) { return (m - 2) / m; }

Growth growth_linear(double m) { return {m / (m - 1), m > 3 ? (m - 2) / (m - 3) : infinite}; }

Growth growth_relu(double m) {
    const double c = -1 / (m - 1), off = (std::sqrt(1 - c * c) + (pi - std::acos(c)) * c) / (2 * pi),
                 both = 0.25 + std::asin(c) / (2 * pi);
    const double a = 0.5 - off, n = m / 2, n_squared = n + m * (m - 1) * both, s2 = m / 2,
                 s1_squared = s2 + m * (m - 1) * off;
    const double passed = n * (1 - 1 / m) - (n - n_squared / m) / m - (s2 - s1_squared / m) / m;
    return {a, mean_inverse_variance(m) / a * passed / (m - 1)};
}

double sphere_gradient(double m, double p) { return (p - 1) * (m - 2) / (m - 3); }
double sphere_gradient_squared(double m, double p) { return (p - 1) * (p + 1) * m * (m - 2) / ((m - 3) * (m - 5)); }

}  // namespace normlab::noise::theory
