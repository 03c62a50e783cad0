// The Taylor remainder phi(x + h d) - phi(x) - h <grad phi, d> of phi = sum dy * y: of order 2 in h where phi is not
// linear, no more than rounding where it is. Gradient and phi are the implementation's own.

#include <algorithm>

#include <fmt/format.h>

#include "verify/check/gradient.hpp"
#include "verify/checks/oracles.hpp"

namespace normlab::verify {
namespace {

constexpr int largest_step = RemainderOrder::first, smallest_step = RemainderOrder::last;  // h = 2^-3 ... 2^-10

// How far the fitted order may be from 2. It is an average of the orders between neighbouring steps, with positive
// weights (least squares on equal spacing), the last of them 0.3 or less from 4 points on, the next 0.4 or less. The
// direction keeps those orders within half of this of 2. Rounding, at most a twentieth of the smallest remainder that
// counts, moves the last by up to |log2(1 - 1/20)| + |log2(1 - 1/80)| < 0.1 and each one before by a quarter of that:
// 0.3 * 0.1 + 0.4 * 0.025 + ... < 0.05, the other half.
constexpr double order_tolerance = 0.1;

std::string taylor_refuses(const Case& c) {
    if (c.dtype != DType::f64)
        return "differences need an f64 forward pass (adjoint and jacobian judge the other dtypes)";
    return c.stat_batch && c.spec().correction == Correction::renorm
               ? "r and d of several slices cannot be held still at once"
               : "";
}

std::vector<Case> taylor_cases(const Case& base, Tier tier) {
    const auto small = [&] {
        std::vector<Case> all = oracle_cases(base, {4, 6, 6});
        // beyond, the bound of sequential sums may leave too few steps
        for (Case& c : all) c.kappa = std::min(c.kappa, 1e5);
        return all;
    };
    std::vector<Case> all = small();
    if (tier == Tier::smoke) return {all[0]};
    if (base.layout == Layout::channels_first)
        for (const AffineSet set : other_sets) all.push_back(all[0]), all.back().affine_set = set;
    for (std::uint64_t seed = 2; seed < (tier == Tier::full ? 40u : 3u); ++seed)
        for (Case c : small()) {
            c.seed = seed;
            all.push_back(c);
        }
    if (tier == Tier::full) all.push_back(with_block(base, 256));
    return all;
}

// Of one part at one step.
struct Remainder {
    double linear = 0, change = 0;  // <grad phi, h d> and phi(x + h d) - phi(x)
    double rounding = 0;            // how far rounding may move their difference
    double signal = 0;              // the size expected of either: sqrt(sum (grad h d)^2)

    double value() const { return std::abs(change - linear); }
};

// phi, its gradient and their bounds at x.
struct Start {
    const Inputs<double>& in;
    const truth::Result& t;
    const Bounds& bounds;
    const Outputs<double>& out;
    const Implementation& implementation;
};

// All parts at once: they do not see each other. The step is the one that was taken, rounding of x + h d included.
std::vector<Remainder> remainders(const Start& at, const Argument& a, const Parts& of,
                                  const std::vector<double>& direction, double h) {
    const Inputs<double>& in = at.in;
    Inputs<double> moved = in;
    std::vector<double>& values = moved.*a.values;
    for (std::size_t k = 0; k < values.size(); ++k) values[k] += h * direction[k];
    if (a.is_x()) freeze_correction(moved, at.t);
    Inputs<double> forward_only = moved;
    forward_only.dy.clear();
    const truth::Result t = truth::evaluate(forward_only);
    const Bounds bounds = error_bounds(forward_only, t, at.implementation.accumulation(in.problem.dtype));
    const std::vector<double> y = run_forward(at.implementation, moved).y;

    std::vector<Quad> change(of.count, Quad(0)), linear(of.count, Quad(0));
    std::vector<Remainder> all(of.count);
    for (std::size_t i = 0; i < y.size(); ++i) {
        change[of.of_y[i]] += Quad(in.dy[i]) * (Quad(y[i]) - Quad(at.out.y[i]));
        all[of.of_y[i]].rounding += std::abs(in.dy[i]) * (bounds.y[i] + at.bounds.y[i]);
    }
    for (std::size_t k = 0; k < values.size(); ++k) {
        Remainder& r = all[of.of_argument[k]];
        const Quad step = Quad(values[k]) - Quad((in.*a.values)[k]);
        const Quad term = Quad((at.out.*a.gradient)[k]) * step;
        linear[of.of_argument[k]] += term;
        r.rounding += std::abs(static_cast<double>(step)) * (at.bounds.*a.bound)[k];
        r.signal += static_cast<double>(term * term);
    }
    // the frozen statistics are rounded: mean by u |mean|, sigma by u sigma
    if (in.problem.has_correction() && a.is_x())
        for (const truth::Block& b : t.blocks)
            for (std::size_t i : b.elements) {
                const double gamma = std::abs(in.factor_of(i));
                const double size = static_cast<double>(b.r * (b.kappa + std::abs(t.x_hat[i].high)) + 2 * abs(b.d));
                all[of.of_y[i]].rounding += 2 * unit_roundoff(DType::f64) * std::abs(in.dy[i]) * gamma * size;
            }
    for (std::size_t part = 0; part < of.count; ++part) {
        all[part].change = static_cast<double>(change[part]), all[part].linear = static_cast<double>(linear[part]);
        all[part].signal = std::sqrt(all[part].signal);
    }
    return all;
}

// phi of one block along d, exactly, but for a constant. With d in units of s, d_c = d - mean(d) where the mean is
// removed, and g = gamma r dy: (A + h B) / sqrt(1 + 2 h P + h^2 W), A = sum g x_hat, B = sum g d_c, P = (1/q) sum x_hat
// d_c, W = (1/q) sum d_c^2, the last two over the part that statistics are of; where eps is added to the root, (A + h
// B) / (sqrt(v^2 + 2 h P + h^2 W) + 1 - v) with v = sqrt(var) / s. No gradient of the implementation's is in it.
struct Along {
    double A = 0, B = 0, P = 0, W = 0, v = 1;

    double remainder(double h) const {
        return std::abs((A + h * B) / (std::sqrt(v * v + 2 * h * P + h * h * W) + 1 - v) - A - h * (B - A * P / v));
    }
    // where v is 1; it chooses among directions alone
    double curvature() const { return std::abs(A * (3 * P * P - W) / 2 - B * P); }
    // How far the order is from 2 between any two neighbouring steps.
    double departure(double length) const {
        double worst = 0;
        for (int k = largest_step; k < smallest_step; ++k)
            worst = std::max(
                worst,
                std::abs(std::log2(remainder(length * std::exp2(-k)) / remainder(length * std::exp2(-k - 1))) - 2));
        return worst;
    }
};

Along along(const Inputs<double>& in, const truth::Result& t, const truth::Block& b, const std::vector<double>& d) {
    double mean = 0;
    if (in.problem.spec.centred())
        for (std::size_t i : b.elements) mean += d[i] / static_cast<double>(b.elements.size());
    Along out;
    if (in.problem.spec.denominator == Denominator::added) out.v = static_cast<double>(Quad(sqrt(b.var) / b.s));
    for (std::size_t k = 0; k < b.elements.size(); ++k) {
        const std::size_t i = b.elements[k];
        const double g = in.factor_of(i) * static_cast<double>(b.r) * in.dy[i];
        const double x_hat = static_cast<double>(t.x_hat[i]), centred = d[i] - mean;
        out.A += g * x_hat, out.B += g * centred;
        if (k < b.part) out.P += x_hat * centred / b.divisor, out.W += centred * centred / b.divisor;
    }
    return out;
}

// For each block the random direction, scaled by its s, of largest curvature among those whose exact remainder is of
// order 2 at these steps, to half of order_tolerance: curvature that is small by accident, beside the third derivative,
// is not the gradient's fault. It is as short as lets the smallest step stand out of rounding (`visible`): the shorter,
// the nearer to 2, and the smaller a fault of the gradient shows beside the curvature. Where no candidate stands out,
// the one that comes nearest to it is taken; where none is of order 2, the block's direction is 0 and not `chosen`.
std::vector<double> direction_of_order_two(const Start& at, std::uint64_t seed, const std::vector<double>& visible,
                                           std::vector<bool>& chosen) {
    constexpr int candidates = 64;
    Random random(seed, 8000);
    std::vector<double> direction(at.in.x.size());
    std::vector<std::pair<double, double>> best(at.t.blocks.size());  // how visible, curvature
    chosen.assign(at.t.blocks.size(), false);
    for (int k = 0; k < candidates; ++k) {
        std::vector<double> d = random.normals(direction.size());
        for (std::size_t index = 0; index < at.t.blocks.size(); ++index) {
            const truth::Block& b = at.t.blocks[index];
            // weight norm's s is of all elements together
            const double mean_size = std::sqrt(b.divisor / static_cast<double>(std::min(b.part, b.elements.size())));
            for (std::size_t i : b.elements) d[i] *= mean_size;
            const Along phi = along(at.in, at.t, b, d);
            double length = std::ldexp(1.0, -(k % 4));
            const auto smallest = [&] {
                return std::min(phi.remainder(std::exp2(-smallest_step) * length), 16 * visible[index]);
            };
            while (smallest() == 16 * visible[index] && visible[index] > 0) length /= 2;
            const std::pair rank(std::min(smallest(), 4 * visible[index]), phi.curvature());
            if (!(phi.departure(length) < order_tolerance / 2) || !(rank > best[index])) continue;
            best[index] = rank;
            chosen[index] = true;
            for (std::size_t i : b.elements) direction[i] = static_cast<double>(b.s) * length * d[i];
        }
    }
    return direction;
}

Finding order(const Start& at, const Argument& a, const Parts& of, std::uint64_t seed) {
    const double u = unit_roundoff(DType::f64);
    std::vector<double> floor(of.count), rounding(of.count);  // 100 u kappa |phi|, of its terms; and of two phi
    for (std::size_t index = 0; index < of.count; ++index) {
        const truth::Block& b = at.t.blocks[index];
        for (std::size_t i : b.elements) {
            const std::size_t c = at.in.problem.affine_entry(i);
            const double result = static_cast<double>(b.r * std::abs(at.t.x_hat[i].high) + abs(b.d));
            const double gamma = std::abs(at.in.factor(c)), beta = at.in.beta.empty() ? 0 : std::abs(at.in.beta[c]);
            floor[index] += 100 * u * b.kappa * std::abs(at.in.dy[i]) * (gamma * result + beta);
            rounding[index] += 2 * std::abs(at.in.dy[i]) * at.bounds.y[i];
        }
    }
    std::vector<double> visible;
    for (std::size_t index = 0; index < of.count; ++index)
        visible.push_back(std::max(floor[index], 20 * rounding[index]));
    std::vector<bool> chosen;
    const std::vector<double> direction = direction_of_order_two(at, seed, visible, chosen);
    std::vector<RemainderOrder> orders(of.count);
    for (int k = largest_step; k <= smallest_step; ++k) {
        const std::vector<Remainder> all = remainders(at, a, of, direction, std::exp2(-k));
        for (std::size_t part = 0; part < of.count; ++part)
            orders[part].add(k, all[part].value(), std::max(floor[part], 20 * all[part].rounding));
    }
    std::vector<Finding> findings;
    for (std::size_t part = 0; part < of.count; ++part) {
        const RemainderOrder& fit = orders[part];
        const bool seen = fit.nan() || (chosen[part] && fit.seen());
        Finding f = measured("dx, order", seen ? std::abs(fit.value() - 2) : 0, order_tolerance,
                             fmt::format("{} {}", of.kind, part));
        if (seen) {
            f.where += fmt::format(": order {:.4f} over {} steps", fit.value(), fit.steps());
        } else {
            f.verdict = Verdict::unresolved;
            f.note = chosen[part] ? "the remainder disappears in rounding" : "no direction of clear curvature";
        }
        findings.push_back(f);
    }
    return worst(findings);
}

// Where phi is linear the remainder is rounding, at the largest step too, where a wrong gradient shows most.
Finding linear(const Start& at, const Argument& a, const Parts& of, std::uint64_t seed) {
    Random random(seed, 9000);
    std::vector<double> direction = random.normals((at.in.*a.values).size());
    if (a.is_x())
        for (const truth::Block& b : at.t.blocks)
            for (std::size_t i : b.elements) direction[i] *= static_cast<double>(b.s);
    std::vector<Comparison> all;
    for (const Remainder& r : remainders(at, a, of, direction, std::exp2(-largest_step)))
        all.push_back({r.linear, r.change, r.rounding, r.signal});
    return judge(a.name, all, [&](std::size_t part) { return fmt::format("{} {}", of.kind, part); });
}

// Whether eps alone divides, so that phi is linear in x. Steps must not cross the floor.
bool is_below_floor(const Inputs<double>& in, const truth::Result& t) {
    const Spec& spec = in.problem.spec;
    if (!spec.has_floor()) return false;
    const double floor = spec.denominator == Denominator::floor ? spec.eps * spec.eps : spec.eps;
    std::size_t below = 0, above = 0;
    for (const truth::Block& b : t.blocks) {
        const auto var = static_cast<double>(b.var);
        below += var<floor / 4, above += var> 4 * floor;
    }
    if (below != t.blocks.size() && above != t.blocks.size())
        throw Unsuitable(
            "steps would cross the floor of the denominator; blocks far from it, on one side, are accepted");
    return below > 0;
}

std::vector<Finding> taylor(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const truth::Result t = truth::evaluate(in);
    const bool curved = in.problem.own_statistics() && !is_below_floor(in, t);
    const Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
    const Outputs<double> out = run(implementation, in);
    const Start at{in, t, bounds, out, implementation};
    std::vector<Finding> all;
    for (const Argument& a : arguments(in)) {
        const Parts of = parts(in, t, a);
        all.push_back(a.is_x() && curved ? order(at, a, of, c.seed) : linear(at, a, of, c.seed));
    }
    return all;
}

}  // namespace

extern const Check taylor_check{
    "taylor",
    "the Taylor remainder is of order 2 in x, and no more than rounding in gamma, beta and where statistics are given",
    false,
    taylor_refuses,
    taylor_cases,
    taylor};

}  // namespace normlab::verify
