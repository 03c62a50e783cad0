// <J v, w> = <v, J^T w>: the tangent by the complex step on the reference, the cotangent by the implementation's
// backward pass, in its own dtype. Nothing is differenced in that dtype, so every dtype can be judged.

#include <fmt/format.h>

#include "verify/checks/oracles.hpp"

namespace normlab::verify {
namespace {

std::vector<Case> adjoint_cases(const Case& base, Tier tier) {
    std::vector<Case> all = oracle_cases(base, {4, 6, 6});
    if (tier == Tier::smoke) return {all[0]};
    if (base.layout == Layout::channels_first) {
        all.push_back(all[0]);
        all.back().activation = Activation::silu;  // relu leaves some blocks without any gradient
        all.push_back(all[0]);
        all.back().activation = Activation::threshold, all.back().tau.pattern = "between";
        for (const AffineSet set : other_sets) all.push_back(all[0]), all.back().affine_set = set;
    }
    const auto add_large = [&](std::int64_t m, std::uint64_t seed) {
        Case c = with_block(base, m);
        c.seed = seed;
        all.push_back(c);
    };
    // Random signs add up to sqrt(m), the bound of rounding to m and, summed in sequence, to m^2 (weight norm's, whose
    // sums are not means, to m^2 sqrt(m)): longer blocks need more digits.
    const bool wide = base.dtype == DType::f64, sums = base.spec().moments == Moments::norm;
    if (!repeats_training(base)) add_large(!wide && sums ? 64 : 256, 1);
    if (tier == Tier::ci) return all;
    for (std::uint64_t seed = 2; seed < 40; ++seed)
        for (Case c : oracle_cases(base, {4, 6, 6})) {
            c.seed = seed;
            all.push_back(c);
        }
    if (repeats_training(base)) return all;
    if (wide)
        for (std::int64_t m : {512, 4096, 65536}) add_large(m, 2);
    else if (!sums) add_large(384, 2);
    return all;
}

// Takes 1 (where the mean is removed) and x_hat out of v, block by block: they span the null space of J but for eps,
// where any v that is not random puts all its weight, and where nothing is seen. What dx has there is zero_sum's and
// xhat_dx's to judge.
void project(std::vector<double>& v, const Problem& p, const truth::Result& t) {
    for (const truth::Block& b : t.blocks) {
        const auto remove = [&](auto direction) {
            Quad along = 0, squares = 0;
            for (std::size_t i : b.elements) along += direction(i) * Quad(v[i]), squares += direction(i) * direction(i);
            if (squares == 0) return;
            for (std::size_t i : b.elements) v[i] -= static_cast<double>(along / squares * direction(i));
        };
        if (p.spec.centred()) remove([](std::size_t) { return Quad(1); });
        remove([&](std::size_t i) { return Quad(t.x_hat[i]); });
    }
}

// Of each part: both inner products in quad, and what rounding may make of each.
Finding identity(std::string_view quantity, const Inputs<double>& in, const truth::Result& t, const Argument& a,
                 const std::vector<double>& v, const Outputs<double>& out, const Bounds& bounds) {
    const std::vector<double>& gradient = out.*a.gradient;
    const std::vector<double>& bound = bounds.*a.bound;
    const std::vector<double> forward = tangent(in, a, v), forward_bound = tangent_bound(in, t, a, v);
    const Parts of = parts(in, t, a);
    std::vector<Quad> Jv_w(of.count, Quad(0)), v_JTw(of.count, Quad(0));
    std::vector<double> tolerance(of.count), Jv_squared(of.count), w_squared(of.count), elements(of.count);
    for (std::size_t i = 0; i < forward.size(); ++i) {
        const std::size_t part = of.of_y[i];
        Jv_w[part] += Quad(forward[i]) * Quad(in.dy[i]);
        tolerance[part] += std::abs(in.dy[i]) * forward_bound[i];
        Jv_squared[part] += forward[i] * forward[i], w_squared[part] += in.dy[i] * in.dy[i], elements[part] += 1;
    }
    for (std::size_t k = 0; k < v.size(); ++k) {
        v_JTw[of.of_argument[k]] += Quad(v[k]) * Quad(gradient[k]);
        tolerance[of.of_argument[k]] += std::abs(v[k]) * bound[k];
    }
    std::vector<Comparison> all;
    for (std::size_t part = 0; part < of.count; ++part)  // expected: the standard deviation over w
        all.push_back({static_cast<double>(v_JTw[part]), static_cast<double>(Jv_w[part]), tolerance[part],
                       std::sqrt(Jv_squared[part] * w_squared[part] / elements[part]), 0, Jv_squared[part] == 0});
    return judge(quantity, all, [&](std::size_t part) { return fmt::format("{} {}", of.kind, part); });
}

std::vector<Finding> adjoint(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);  // w is dy
    const truth::Result t = truth::evaluate(in);
    require_finite_dx(t, c.dtype);
    const Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
    const Outputs<double> out = run(implementation, in);
    Random random(c.seed, 7000);
    std::vector<Finding> all;
    for (const Argument& a : arguments(in)) {
        std::vector<double> v = random.normals((in.*a.values).size());
        all.push_back(identity(a.name, in, t, a, v, out, bounds));
        if (!a.is_x() || !in.problem.own_statistics()) continue;
        project(v, in.problem, t);
        all.push_back(identity("dx, off 1 and x_hat", in, t, a, v, out, bounds));
    }
    return all;
}

}  // namespace

extern const Check adjoint_check{
    "adjoint",     "<J v, w> = <v, J^T w> in every block: J v by the complex step, J^T w by backward in its own dtype",
    false,         always,
    adjoint_cases, adjoint,
    true};

}  // namespace normlab::verify
