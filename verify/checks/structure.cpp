// What must hold of dx whatever the numbers are, tested in the implementation's own precision, without a second
// gradient to compare with.

#include <fmt/format.h>

#include "verify/check/compare.hpp"
#include "verify/check/exact.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/range.hpp"

namespace normlab::verify {
namespace {

std::vector<Case> structure_cases(const Case& base, Tier tier) {
    std::vector<Case> cases{with_small_shape(base), with_block(base, 8)};
    if (tier == Tier::smoke) return {cases[0]};
    cases.push_back(with_block(base, 64));
    cases.push_back(with_block(base, 2));
    if (base.spec().eps > 0)
        for (double sigma : {0.01, 0.003}) {
            Case c = with_small_shape(base);
            c.sigma = sigma;
            cases.push_back(c);
        }
    if (size_of(base.dtype) > 2) {
        Case c = with_block(base, 64);
        c.kappa = 1e3;
        cases.push_back(c);
    }
    for (std::uint64_t seed = 2; seed < 4; ++seed) {
        cases.push_back(with_small_shape(base));
        cases.back().seed = seed;
    }
    if (tier == Tier::full)
        for (std::int64_t m : {4096, 65536}) cases.push_back(with_block(base, m));
    return cases;
}

std::vector<Case> zero_sum_cases(const Case& base, Tier tier) {
    std::vector<Case> cases = structure_cases(base, tier);
    cases.push_back(cases[0]);
    cases.back().residual = Residual::stored;
    return cases;
}

std::string zero_sum_refuses(const Case& c) {
    if (c.spec().residual == Residual::wide) return "backward's x_hat is not forward's";
    const std::string mean = needs_mean_removed(c);
    return mean.empty() ? needs_own_statistics(c) : mean;
}

std::string symmetry_refuses(const Case& c) {
    if (c.spec().is_partial()) return "where statistics are of a part, the others' dx has nothing of x_hat";
    return needs_own_statistics(c);
}

std::string masks_refuse(const Case&) { return {}; }

// One call and what bounds it.
struct Run {
    Inputs<double> in;
    truth::Result t;
    Bounds bounds;
    Outputs<double> out;
};

Run evaluate(const Inputs<double>& in, const Implementation& implementation) {
    Run r{in, truth::evaluate(in), {}, run(implementation, in)};
    const Accumulation accumulation = implementation.accumulation(in.problem.dtype);
    r.bounds = error_bounds(in, r.t, accumulation);
    accept_saturation(in, accumulation, r.out, r.t, r.bounds);
    require_finite_dx(r.t, in.problem.dtype);
    return r;
}

// Reduces per block and keeps the block whose error is nearest to its bound.
template <class F>
Finding by_block(std::string_view quantity, const truth::Result& t, F measure) {
    std::vector<Finding> all;
    for (std::size_t b = 0; b < t.blocks.size(); ++b) {
        const auto [error, bound] = measure(t.blocks[b]);
        all.push_back(measured(quantity, std::abs(static_cast<double>(error)), bound, fmt::format("block {}", b)));
    }
    return worst(all);
}

std::vector<Finding> zero_sum(const Case& c, const Implementation& implementation) {
    const Run r = evaluate(draw(c), implementation);
    return {by_block("sum dx", r.t, [&](const truth::Block& b) {
        Quad sum = 0;
        double bound = 0;
        for (std::size_t i : b.elements) {
            sum += Quad(r.out.dx[i]) - Quad(r.in.ds.empty() ? 0 : r.in.ds[i]);
            bound += r.bounds.dx[i];
        }
        return std::pair(sum, bound);
    })};
}

// 1 - 2 s (ds / dvar) var / s^2: what of g lies along x_hat stays in dx.
Quad kept_along_x_hat(const Spec& spec, const truth::Block& b) {
    const Quad eps(spec.eps);
    switch (spec.denominator) {
        case Denominator::added: return eps / b.s;
        case Denominator::floor: return b.s == eps && b.var < eps * eps ? 1 : 0;
        case Denominator::floor_root: return b.var < eps ? 1 : 0;
        default: return eps / (b.s * b.s);
    }
}

std::vector<Finding> xhat_dx(const Case& c, const Implementation& implementation) {
    const Run r = evaluate(draw(c), implementation);
    return {by_block("sum x_hat dx", r.t, [&](const truth::Block& b) {
        Quad difference = 0;
        double bound = 0;
        if (b.s == 0) return std::pair(difference, bound);
        const Spec& spec = r.in.problem.spec;
        const Quad share = kept_along_x_hat(spec, b) / b.s;
        for (std::size_t i : b.elements) {
            const Quad factor =
                r.in.gamma.empty() ? Quad(1) : spec.factor(Quad(r.in.gamma[r.in.problem.affine_entry(i)]));
            const Quad g = b.r * Quad(r.in.dy[i]) * factor;
            difference += Quad(r.t.x_hat[i]) * (Quad(r.out.dx[i]) - share * g);
            bound += std::abs(static_cast<double>(r.t.x_hat[i])) * r.bounds.dx[i];
        }
        return std::pair(difference, bound);
    })};
}

std::vector<Finding> symmetry(const Case& c, const Implementation& implementation) {
    Inputs<double> with_u = draw(c);
    with_u.gamma.clear();  // the Jacobian of x_hat is symmetric; gamma would scale its rows
    Inputs<double> with_v = with_u;
    Random random(c.seed, 1000);
    with_v.dy = rounded(random.normals(with_u.dy.size()), c.dtype);
    const Run u = evaluate(with_u, implementation), v = evaluate(with_v, implementation);
    return {by_block("v.Ju - u.Jv", u.t, [&](const truth::Block& b) {
        Quad difference = 0;
        double bound = 0;
        for (std::size_t i : b.elements) {
            difference += Quad(with_v.dy[i]) * Quad(u.out.dx[i]) - Quad(with_u.dy[i]) * Quad(v.out.dx[i]);
            bound += std::abs(with_v.dy[i]) * u.bounds.dx[i] + std::abs(with_u.dy[i]) * v.bounds.dx[i];
        }
        return std::pair(difference, bound);
    })};
}

// Any subset of gradients asked for: the same bits as when all are.
std::vector<Finding> gradient_masks(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Outputs<double> all = run(implementation, in);
    double different = 0;
    std::string where;
    const std::optional<Bounds> within = tolerance(implementation, in);
    const auto same = [&](bool asked, const QuantityRow& q, const Outputs<double>& out, const std::string& mask) {
        if (asked ? same_values(q.name, in.problem, q.in(out), q.in(all), tolerance_of(within, q.bound)).error == 0
                  : q.in(out).empty())
            return;
        different += 1;
        where += fmt::format("{}{} {} when asked for {}", where.empty() ? "" : "; ", q.name,
                             asked ? "differs" : "is written", mask);
    };
    const bool adds = in.problem.spec.adds(), thresholds = in.problem.spec.thresholds();
    for (unsigned mask = 1; mask < (thresholds ? 32 : adds ? 16 : 8); ++mask) {
        const Wanted wanted{.dx = (mask & 1) != 0,
                            .dgamma = (mask & 2) != 0,
                            .dbeta = (mask & 4) != 0,
                            .d_residual = (mask & 8) != 0,
                            .dtau = (mask & 16) != 0};
        if (!adds && wanted.d_residual) continue;
        const Outputs<double> out = run(implementation, in, wanted);
        std::string asked;
        for (const auto& [is, name] : {std::pair{wanted.dx, "dx"},
                                       {wanted.dgamma, "dgamma"},
                                       {wanted.dbeta, "dbeta"},
                                       {wanted.d_residual, "d_residual"},
                                       {wanted.dtau, "dtau"}})
            if (is) asked += fmt::format("{}{}", asked.empty() ? "" : " and ", name);
        same(wanted.dx, row_of(Quantity::dx), out, asked), same(wanted.dgamma, row_of(Quantity::dgamma), out, asked),
            same(wanted.dbeta, row_of(Quantity::dbeta), out, asked);
        if (thresholds) same(wanted.dtau, row_of(Quantity::dtau), out, asked);
        if (adds) same(wanted.d_residual, row_of(Quantity::d_residual), out, asked);
    }
    return {measured("subsets that differ", different, 0, where)};
}

std::vector<Case> mask_cases(const Case& base, Tier) {
    std::vector<Case> cases;
    for (AffineUse use : {AffineUse::both, AffineUse::gamma, AffineUse::beta, AffineUse::none}) {
        cases.push_back(with_small_shape(base));
        cases.back().affine = use;
    }
    cases.push_back(with_small_shape(base));
    cases.back().residual = Residual::stored;
    for (AffineUse use : {AffineUse::both, AffineUse::beta}) {  // backward forms z, for which it needs all of them
        cases.push_back(with_small_shape(base));
        cases.back().affine = use, cases.back().activation = Activation::silu;
    }
    cases.push_back(with_small_shape(base));
    cases.back().activation = Activation::threshold;
    for (const Shape& shape : {Shape{5, 70, 1}, Shape{7, 6, 37}}) cases.push_back(with_shape(base, shape));
    return cases;
}

}  // namespace

extern const Check zero_sum_check{"zero_sum",
                                  "dx of a block (less ds, with a residual) sums to zero where the mean is removed",
                                  true,
                                  zero_sum_refuses,
                                  zero_sum_cases,
                                  zero_sum,
                                  false,
                                  true,
                                  true};
extern const Check xhat_dx_check{"xhat_dx",
                                 "sum x_hat dx = rstd * eps / (var + eps) * sum g x_hat in every block",
                                 true,
                                 needs_own_statistics,
                                 structure_cases,
                                 xhat_dx,
                                 false,
                                 false,
                                 true};
extern const Check symmetry_check{"symmetry",
                                  "the Jacobian of x_hat is symmetric: v.Ju = u.Jv",
                                  true,
                                  symmetry_refuses,
                                  structure_cases,
                                  symmetry,
                                  false,
                                  false,
                                  true};
extern const Check gradient_masks_check{"gradient_masks",
                                        "any subset of gradients gives the bits that all together give",
                                        false,
                                        masks_refuse,
                                        mask_cases,
                                        gradient_masks,
                                        true,
                                        true,
                                        true};

}  // namespace normlab::verify
