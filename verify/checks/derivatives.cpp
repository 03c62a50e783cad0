// Derivatives of the forward pass, found without its backward pass, against the backward pass: the complex step on the reference, and Ridders'
// extrapolated central differences on the implementation's own f64 forward.

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "verify/checks/all.hpp"

namespace normlab::verify {
namespace {

std::string refuses(const Case& c) {
    if (c.dtype != DType::f64) return "differences need an f64 forward pass (accuracy and the structure checks judge the other dtypes)";
    return c.stat_batch && c.spec().correction == Correction::renorm ? "r and d of several slices cannot be held still at once" : "";
}

std::vector<Case> cases(const Case& base, Tier tier) {
    std::vector<Case> out;
    const auto add = [&](auto change) {
        Case c = with_small_shape(base);
        c.shape = {3, 4, 3};
        if (c.groups) c.groups = 2;
        change(c);
        out.push_back(c);
    };
    add([](Case&) {});
    if (tier == Tier::smoke) return out;
    add([](Case& c) { c.kappa = 1e3; });
    add([](Case& c) { c.kappa = 1e6; });
    if (base.spec().eps > 0) add([](Case& c) { c.sigma = 0.01; });   // sigma^2 = 10 eps: where eps faults show
    if (base.spec().correction == Correction::renorm) add([](Case& c) { c.state = StateKind::far; });
    for (std::uint64_t seed = 2; seed < (tier == Tier::full ? 40u : 5u); ++seed) {
        add([seed](Case& c) { c.seed = seed; });
        add([seed](Case& c) { c.seed = seed, c.kappa = 1e6; });
    }
    if (tier == Tier::full) add([](Case& c) { c.shape = {7, 6, 5}, c.kappa = 1e6; });
    return out;
}

// Batch renorm's r and d are constants. A black box computes them from what it is given, so it is given running statistics that
// move along and make them come out the same: sigma = sigma_B / r, mean = mean_B - d sigma.
void freeze_correction(Inputs<double>& in, const truth::Result& at) {
    if (in.problem.spec.correction != Correction::renorm || in.problem.mode != Mode::train) return;
    Inputs<double> forward_only = in;
    forward_only.dy.clear();
    const truth::Result moved = truth::evaluate(forward_only);
    for (std::size_t c = 0; c < in.state.mean.size(); ++c) {
        const Quad sigma = moved.blocks[c].s / at.blocks[c].r;
        in.state.mean[c] = static_cast<double>(moved.blocks[c].mean - at.blocks[c].d * sigma);
        if (!in.state.sigma.empty()) in.state.sigma[c] = static_cast<double>(sigma);
        else in.state.var[c] = static_cast<double>(sigma * sigma - Quad(in.problem.spec.eps));
    }
}

struct Numeric {
    double value = 0, estimate = 0;
};

// Ridders 1982, with steps from 0.5 s down by halves; f(h) is the central difference at step h.
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

// One argument of the loss sum(dy * y): x, gamma or beta.
struct Argument {
    std::string_view name;
    std::vector<double> Inputs<double>::* values;
    std::vector<Complex> Inputs<Complex>::* complex_values;
    std::vector<double> analytic, bound, scale, kappa, step;   // per element
    std::vector<std::size_t> block;                            // of each element; a block is seen, or not, as a whole
};

std::vector<double> complex_step(const Inputs<double>& in, const Argument& argument) {
    constexpr double h = 1e-200;
    Inputs<Complex> at = in.as<Complex>(DType::complex);
    std::vector<double> derivative;
    for (Complex& v : at.*argument.complex_values) {
        const double real = v.real();
        v = {real, h};
        const Outputs<Complex> out = run_forward(find_implementation("reference"), at);
        v = real;
        double sum = 0;
        for (std::size_t i = 0; i < in.dy.size(); ++i) sum += in.dy[i] * (out.y[i].imag() / h);
        derivative.push_back(sum);
    }
    return derivative;
}

std::vector<Numeric> differences(const Inputs<double>& in, const truth::Result& t, const Argument& argument, const Implementation& implementation) {
    std::vector<Numeric> derivative;
    for (std::size_t k = 0; k < (in.*argument.values).size(); ++k) {
        const auto difference = [&](double h) {
            Inputs<double> plus = in, minus = in;
            double& up = (plus.*argument.values)[k];
            double& down = (minus.*argument.values)[k];
            up += h, down -= h;
            freeze_correction(plus, t), freeze_correction(minus, t);
            const auto y_plus = run_forward(implementation, plus).y, y_minus = run_forward(implementation, minus).y;
            double sum = 0;
            for (std::size_t i = 0; i < in.dy.size(); ++i) sum += in.dy[i] * (y_plus[i] - y_minus[i]);
            return sum / (up - down);
        };
        derivative.push_back(ridders(difference, argument.step[k]));
    }
    return derivative;
}

struct Opinion {
    Verdict verdict = Verdict::pass;
    Finding finding;
};

// FAIL beats UNRESOLVED beats PASS over the elements of one oracle. `signal` is the root mean square of a block's derivatives.
Opinion judge(const Argument& a, const std::vector<Numeric>& numeric, const std::vector<double>& tolerance) {
    std::map<std::size_t, std::pair<double, double>> squares;   // sum and count by block
    for (std::size_t k = 0; k < numeric.size(); ++k) {
        squares[a.block[k]].first += numeric[k].value * numeric[k].value;
        squares[a.block[k]].second += 1;
    }
    Opinion out;
    for (std::size_t k = 0; k < numeric.size(); ++k) {
        const double limit = tolerance[k] + 3 * numeric[k].estimate;
        Finding f = measured(a.name, std::abs(a.analytic[k] - numeric[k].value), limit,
                             fmt::format("element {}: {:.9g}, numeric {:.9g} +- {:.1e}", k, a.analytic[k], numeric[k].value, numeric[k].estimate));
        const auto [sum, count] = squares[a.block[k]];
        const double signal = std::sqrt(sum / count);
        if (std::isnan(numeric[k].value)) f.verdict = Verdict::fail;
        const bool blind = numeric[k].estimate > tolerance[k] || signal < 10 * tolerance[k];
        if (f.verdict == Verdict::pass && blind) f.verdict = Verdict::unresolved;
        out.finding = out.finding.quantity.empty() ? f : worst({out.finding, f});
    }
    out.verdict = out.finding.verdict;
    return out;
}

std::vector<Finding> derivatives(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Problem& p = in.problem;
    const truth::Result t = truth::evaluate(in);
    const Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
    const Outputs<double> out = run(implementation, in);
    const double u = unit_roundoff(c.dtype);

    Argument x{"dx", &Inputs<double>::x, &Inputs<Complex>::x, out.dx, bounds.dx, {}, {}, {}, {}};
    const std::size_t n = in.x.size(), C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
    x.scale.resize(n), x.kappa.resize(n), x.step.resize(n), x.block.resize(n);
    double kappa = 1;
    std::vector<double> scale_gamma(C), scale_beta(C);
    for (std::size_t index = 0; index < t.blocks.size(); ++index) {
        const truth::Block& b = t.blocks[index];
        const double s = static_cast<double>(b.s), r = static_cast<double>(b.r);
        double g = 0, g_x_hat = 0;
        for (std::size_t i : b.elements) {
            const double dy = std::abs(in.dy[i]), gamma = in.gamma.empty() ? 1 : std::abs(in.gamma[i / S % C]);
            const double x_hat = std::abs(static_cast<double>(t.x_hat[i]));
            g += gamma * r * dy / b.divisor, g_x_hat += gamma * r * dy * x_hat / b.divisor;
            scale_gamma[i / S % C] += dy * (r * x_hat + 1), scale_beta[i / S % C] += dy;
        }
        for (std::size_t i : b.elements) {
            const double gamma = in.gamma.empty() ? 1 : std::abs(in.gamma[i / S % C]);
            // the difference itself is a sum over the block: its rounding is that of sum|g|
            x.scale[i] = (gamma * r * std::abs(in.dy[i]) + (1 + std::abs(static_cast<double>(t.x_hat[i]))) * (g + g_x_hat) + g * b.divisor) / s;
            x.kappa[i] = b.kappa;
            x.block[i] = index;
            // the norm of a sum is not divided by m: its elements have the size of s / sqrt(m)
            x.step[i] = 0.5 * s / std::sqrt(static_cast<double>(b.elements.size()) / b.divisor);
        }
        kappa = std::max(kappa, b.kappa);
    }
    std::vector<Argument> arguments{x};
    const auto add_channels = [&](std::string_view name, auto values, auto complex_values, const auto& analytic, const auto& bound, const auto& scale) {
        arguments.push_back({name, values, complex_values, analytic, bound, scale, std::vector<double>(C, kappa), std::vector<double>(C, 0.5),
                             std::vector<std::size_t>(C)});
    };
    if (!in.gamma.empty()) add_channels("dgamma", &Inputs<double>::gamma, &Inputs<Complex>::gamma, out.dgamma, bounds.dgamma, scale_gamma);
    if (!in.beta.empty()) add_channels("dbeta", &Inputs<double>::beta, &Inputs<Complex>::beta, out.dbeta, bounds.dbeta, scale_beta);

    std::vector<Finding> all;
    for (const Argument& a : arguments) {
        std::vector<double> exact_tolerance, difference_tolerance;
        for (std::size_t k = 0; k < a.analytic.size(); ++k) {
            exact_tolerance.push_back(2 * a.bound[k]);   // the complex forward rounds as the implementation may
            // what the five-point formula reaches at its best step, (u kappa)^(4/5); Ridders does no worse
            difference_tolerance.push_back(a.bound[k] + 10 * a.scale[k] * std::pow(u * a.kappa[k], 0.8));
        }
        std::vector<Numeric> exact;
        for (double v : complex_step(in, a)) exact.push_back({v, 0});
        const Opinion by_step = judge(a, exact, exact_tolerance), by_difference = judge(a, differences(in, t, a, implementation), difference_tolerance);
        const auto word = [](Verdict v) { return v == Verdict::pass ? "PASS" : v == Verdict::fail ? "FAIL" : "UNRESOLVED"; };
        Finding f = by_step.verdict == Verdict::pass && by_difference.verdict == Verdict::unresolved   ? by_step.finding
                    : by_step.verdict == Verdict::unresolved && by_difference.verdict == Verdict::pass ? by_difference.finding
                                                                                                       : worst({by_step.finding, by_difference.finding});
        f.note = fmt::format("complex step {} ({:.1e} of {:.1e}), Ridders {} ({:.1e} of {:.1e})", word(by_step.verdict), by_step.finding.error,
                             by_step.finding.bound, word(by_difference.verdict), by_difference.finding.error, by_difference.finding.bound);
        f.oracles = {{"complex step", by_step.finding.error, by_step.finding.bound}, {"Ridders", by_difference.finding.error, by_difference.finding.bound}};
        all.push_back(f);
    }
    return all;
}

}  // namespace

const Check derivatives_check{"derivatives", "dx, dgamma and dbeta are the derivatives of y: complex step and Ridders differences", false, refuses,
                              cases, derivatives};

}  // namespace normlab::verify
