// normlab.noise: the closed forms of studies/noise/theory.hpp, each for the numbers that it is one of.

#include "studies/noise/theory.hpp"

#include <cmath>
#include <string>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "python/alone.hpp"

namespace normlab::python {
namespace {

namespace theory = noise::theory;

void require_range(const char* what, double v, double least, double most = HUGE_VAL) {
    if (std::isfinite(v) && v >= least && v <= most) return;
    throw Error(std::isfinite(most) ? fmt::format("{} = {}; a number from {} to {} is accepted", what, v, least, most)
                                    : fmt::format("{} = {}; a number, {} or more, is accepted", what, v, least));
}
void require_above(const char* what, double v, double least) {
    if (!(std::isfinite(v) && v > least))
        throw Error(fmt::format("{} = {}; a number above {} is accepted", what, v, least));
}

struct Laws {};  // their name in Python

// A law of m alone, for batches of `least` and more.
template <double (*law)(double)>
void define_law(py::class_<Laws>& m, const char* name, double least) {
    m.def_static(name, [least](double of) { return require_range("m", of, least), law(of); });
}

}  // namespace

void define_noise(py::module_& package) {
    py::class_<Laws> m(package, "noise");
    define_law<theory::variance_of_mean>(m, "variance_of_mean", 1);
    define_law<theory::mean_of_variance>(m, "mean_of_variance", 1);
    define_law<theory::mean_sigma>(m, "mean_sigma", 2);
    define_law<theory::mean_inverse_sigma>(m, "mean_inverse_sigma", 2);
    define_law<theory::mean_inverse_variance>(m, "mean_inverse_variance", 2);
    define_law<theory::gap>(m, "gap", 2);
    define_law<theory::gap_biased>(m, "gap_biased", 2);
    define_law<theory::x_hat_kurtosis>(m, "x_hat_kurtosis", 2);
    define_law<theory::mean_relu>(m, "mean_relu", 2);
    define_law<theory::gradient_fraction>(m, "gradient_fraction", 2);
    m.def_static("moments", [](const std::string& name) {
        constexpr std::string_view names[] = {"normal", "uniform", "exponential"};
        constexpr random::Distribution all[] = {random::Distribution::normal, random::Distribution::uniform,
                                                random::Distribution::exponential};
        const theory::Moments of = theory::moments(all[place_of("distribution", name, names)]);
        return std::pair(of.mu3, of.kurtosis);
    });
    m.def_static("variance_of_variance", [](double of, double kurtosis) {
        require_range("m", of, 1), require_range("kurtosis", kurtosis, 1);
        return theory::variance_of_variance(of, kurtosis);
    });
    m.def_static("covariance", [](double of, double mu3) {
        require_range("m", of, 1), require_range("mu3", mu3, -HUGE_VAL);
        return theory::covariance(of, mu3);
    });
    m.def_static("mean_inverse_capped", [](double of, int power, double limit) {
        require_range("m", of, 2), require_range("power", power, 1, 2), require_above("limit", limit, 0);
        return theory::mean_inverse_capped(of, power, limit);
    });
    m.def_static("x_hat_law", [](double of, double t) {
        require_range("m", of, 3), require_range("t", t, 0);
        return theory::x_hat_law(of, t);
    });
    m.def_static("chi_squared_law", [](double k, double y) {
        require_above("k", k, 0), require_range("y", y, 0);
        return theory::chi_squared_law(k, y);
    });
    m.def_static("clusters_variance_of_mean", [](double c, double k, double rho) {
        require_range("c", c, 1), require_range("k", k, 1), require_range("rho", rho, 0, 1);
        return theory::clusters_variance_of_mean(c, k, rho);
    });
    m.def_static("moving_average_variance", [](double of, double alpha, double steps) {
        require_range("m", of, 1), require_range("alpha", alpha, 0, 1), require_range("steps", steps, 0);
        return theory::moving_average_variance(of, alpha, steps);
    });
    m.def_static("clipped_r", [](double of, double r_max) {
        require_range("m", of, 2), require_range("r_max", r_max, 1);
        return theory::clipped_r(of, r_max);
    });
    m.def_static("clipped_d", [](double of, double d_max) {
        require_range("m", of, 1), require_range("d_max", d_max, 0);
        return theory::clipped_d(of, d_max);
    });
    m.def_static("growth_linear", [](double of) {
        require_range("m", of, 2);
        const theory::Growth g = theory::growth_linear(of);
        return std::pair(g.a, g.rate);
    });
    m.def_static("growth_relu", [](double of) {
        require_range("m", of, 2);
        const theory::Growth g = theory::growth_relu(of);
        return std::pair(g.a, g.rate);
    });
    m.def_static("sphere_gradient", [](double of, double p) {
        require_above("m", of, 3), require_range("p", p, 1);
        return theory::sphere_gradient(of, p);
    });
    m.def_static("sphere_gradient_squared", [](double of, double p) {
        require_above("m", of, 5), require_range("p", p, 1);
        return theory::sphere_gradient_squared(of, p);
    });
}

}  // namespace normlab::python
