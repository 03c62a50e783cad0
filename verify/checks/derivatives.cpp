// Derivatives of the forward pass, found without its backward pass, against the backward pass: the complex step on the
// reference, and Ridders' extrapolated central differences on the implementation's own f64 forward.

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "verify/check/gradient.hpp"
#include "verify/checks/oracles.hpp"

namespace normlab::verify {
namespace {

std::string derivatives_refuses(const Case& c) {
    if (c.dtype != DType::f64)
        return "differences need an f64 forward pass (accuracy and the structure checks judge the other dtypes)";
    if (c.activation == Activation::relu) return "differences do not cross a kink";
    return c.stat_batch && c.spec().correction == Correction::renorm
               ? "r and d of several slices cannot be held still at once"
               : "";
}

std::vector<Case> derivatives_cases(const Case& base, Tier tier) {
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
    for (const Activation a : {Activation::silu, Activation::gelu, Activation::gelu_tanh})
        if (base.layout == Layout::channels_first) add([a](Case& c) { c.activation = a; });
    if (base.layout == Layout::channels_first)
        add([](Case& c) { c.activation = Activation::threshold, c.tau.pattern = "between"; });
    add([](Case& c) { c.kappa = 1e3; });
    add([](Case& c) { c.kappa = 1e6; });
    if (base.spec().eps > 0) add([](Case& c) { c.sigma = 0.01; });  // sigma^2 = 10 eps: where eps faults show
    add_forms(out, Case(out[0]));
    if (base.spec().correction == Correction::renorm)
        for (StateKind kind : {StateKind::far, StateKind::at}) add([kind](Case& c) { c.state = kind; });
    for (std::uint64_t seed = 2; seed < (tier == Tier::full ? 40u : 5u); ++seed) {
        add([seed](Case& c) { c.seed = seed; });
        add([seed](Case& c) { c.seed = seed, c.kappa = 1e6; });
    }
    if (tier == Tier::full) add([](Case& c) { c.shape = {7, 6, 5}, c.kappa = 1e6; });
    return out;
}

// An argument of the loss sum(dy * y), with what differences in it need, per element.
struct Scaled {
    Argument argument;
    std::vector<double> scale, kappa, step;
};

std::vector<Numeric> complex_step(const Inputs<double>& in, const Argument& argument) {
    std::vector<Numeric> derivative;
    std::vector<double> unit((in.*argument.values).size());
    for (double& direction : unit) {
        direction = 1;
        const std::vector<double> column = tangent(in, argument, unit);
        direction = 0;
        derivative.push_back({std::inner_product(in.dy.begin(), in.dy.end(), column.begin(), 0.0), 0});
    }
    return derivative;
}

std::vector<Numeric> differences(const Inputs<double>& in, const truth::Result& t, const Scaled& scaled,
                                 const Implementation& implementation) {
    const Argument& argument = scaled.argument;
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
        derivative.push_back(ridders(difference, scaled.step[k]));
    }
    return derivative;
}

// The expected size of a derivative is the root mean square over its block, or over all entries: they are seen, or
// not, as a whole.
Finding opinion(const Argument& a, const Parts& parts, const std::vector<double>& analytic,
                const std::vector<Numeric>& numeric, const std::vector<double>& tolerance) {
    const auto part_of = [&](std::size_t k) { return a.is_x() ? parts.of_argument[k] : 0; };
    std::vector<double> squares(parts.count), count(parts.count);
    for (std::size_t k = 0; k < numeric.size(); ++k)
        squares[part_of(k)] += numeric[k].value * numeric[k].value, count[part_of(k)] += 1;
    std::vector<Comparison> all;
    for (std::size_t k = 0; k < numeric.size(); ++k)
        all.push_back({analytic[k], numeric[k].value, tolerance[k], std::sqrt(squares[part_of(k)] / count[part_of(k)]),
                       numeric[k].estimate});
    return judge(a.name, all, [](std::size_t k) { return fmt::format("element {}", k); });
}

// How much of a step is taken behind a threshold, so that no difference crosses a kink. A step of half a deviation of
// x, or of a half in a parameter, moves no z by more than `reach`: its factor times 1 + |x_hat|, x_hat itself, and 1.
double share_of_steps(const Inputs<double>& in, const truth::Result& t) {
    if (!in.problem.spec.thresholds()) return 1;
    double reach = 1, least = std::numeric_limits<double>::infinity();
    for (const truth::Block& b : t.blocks)
        for (const std::size_t i : b.elements) {
            const double x_hat = std::abs(t.x_hat[i].high), r = static_cast<double>(b.r);
            const std::size_t entry = in.problem.affine_entry(i);
            reach = std::max(
                {reach, std::abs(in.factor(entry)) * r * (1 + x_hat), r * x_hat + std::abs(static_cast<double>(b.d))});
            least = std::min(least, std::abs(t.z[i].high - in.tau_of(entry)));
        }
    const double share = std::min(1.0, least / (2 * reach));
    if (share < 0x1p-10) throw Unsuitable("differences would cross a threshold; tau=between is accepted");
    return share;
}

std::vector<Finding> derivatives(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Problem& p = in.problem;
    const truth::Result t = truth::evaluate(in);
    const Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
    const Outputs<double> out = run(implementation, in);
    const double u = unit_roundoff(c.dtype), share = share_of_steps(in, t);

    Scaled x;
    const std::size_t n = in.x.size(), entries = static_cast<std::size_t>(p.affine_count());
    x.scale.resize(n), x.kappa.resize(n), x.step.resize(n);
    double kappa = 1;
    std::vector<double> scale_gamma(entries), scale_beta(entries);
    for (const truth::Block& b : t.blocks) {
        const double s = static_cast<double>(b.s), r = static_cast<double>(b.r);
        double g = 0, g_x_hat = 0;
        for (std::size_t i : b.elements) {
            const double dy = std::abs(in.dy[i]), gamma = std::abs(in.factor_of(i));
            const double x_hat = std::abs(static_cast<double>(t.x_hat[i]));
            g += gamma * r * dy / b.divisor, g_x_hat += gamma * r * dy * x_hat / b.divisor;
            scale_gamma[p.affine_entry(i)] += dy * (r * x_hat + 1), scale_beta[p.affine_entry(i)] += dy;
        }
        for (std::size_t i : b.elements) {
            const double gamma = std::abs(in.factor_of(i));
            // the difference itself is a sum over the block: its rounding is that of sum|g|
            x.scale[i] = (gamma * r * std::abs(in.dy[i]) +
                          (1 + std::abs(static_cast<double>(t.x_hat[i]))) * (g + g_x_hat) + g * b.divisor) /
                         s;
            x.kappa[i] = b.kappa;
            // the norm of a sum is not divided by m: its elements have the size of s / sqrt(m)
            x.step[i] = share * 0.5 * s / std::sqrt(static_cast<double>(b.elements.size()) / b.divisor);
        }
        kappa = std::max(kappa, b.kappa);
    }
    std::vector<Finding> all;
    for (const Argument& argument : arguments(in)) {
        const Scaled a = argument.is_x()
                             ? Scaled{argument, x.scale, x.kappa, x.step}
                             : Scaled{argument, argument.name == "dgamma" ? scale_gamma : scale_beta,
                                      std::vector<double>(entries, kappa), std::vector<double>(entries, share * 0.5)};
        const std::vector<double>& bound = bounds.*argument.bound;
        std::vector<double> exact_tolerance, difference_tolerance;
        for (std::size_t k = 0; k < bound.size(); ++k) {
            exact_tolerance.push_back(2 * bound[k]);  // the complex forward rounds as the implementation may
            // what the five-point formula reaches at its best step, (u kappa)^(4/5); Ridders does no worse. In shorter
            // steps rounding is as many times more.
            difference_tolerance.push_back(bound[k] + 10 * a.scale[k] * std::pow(u * a.kappa[k], 0.8) / share);
        }
        const Parts of = parts(in, t, argument);
        const Finding by_step =
            opinion(argument, of, out.*argument.gradient, complex_step(in, argument), exact_tolerance);
        const Finding by_difference =
            opinion(argument, of, out.*argument.gradient, differences(in, t, a, implementation), difference_tolerance);
        const auto word = [](Verdict v) {
            return v == Verdict::pass ? "PASS" : v == Verdict::fail ? "FAIL" : "UNRESOLVED";
        };
        Finding f = by_step.verdict == Verdict::pass && by_difference.verdict == Verdict::unresolved ? by_step
                    : by_step.verdict == Verdict::unresolved && by_difference.verdict == Verdict::pass
                        ? by_difference
                        : worst({by_step, by_difference});
        f.note = fmt::format("complex step {} ({:.1e} of {:.1e}), Ridders {} ({:.1e} of {:.1e})", word(by_step.verdict),
                             by_step.error, by_step.bound, word(by_difference.verdict), by_difference.error,
                             by_difference.bound);
        f.oracles = {{"complex step", by_step.error, by_step.bound},
                     {"Ridders", by_difference.error, by_difference.bound}};
        all.push_back(f);
    }
    return all;
}

}  // namespace

extern const Check derivatives_check{
    "derivatives",
    "dx, dgamma and dbeta are the derivatives of y: complex step and Ridders differences",
    false,
    derivatives_refuses,
    derivatives_cases,
    derivatives,
    true};

}  // namespace normlab::verify
