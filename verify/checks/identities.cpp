// Identities of the formulas: gamma and beta that undo the normalisation, the paper's chain rule, and variants that are
// the same thing on some shapes.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/running_stats.hpp"
#include "verify/check/compare.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

// One block a channel, or one for all channels: then gamma and beta, which are per channel, can undo it.
std::vector<Case> identity_cases(const Case& base, Tier tier) {
    std::vector<Case> cases;
    for (double kappa : {1.0, 100.0}) {
        Case c = with_small_shape(base);
        const Axes block = c.spec().block;
        if (!block.samples) c.shape.N = 1;
        if (!block.positions) c.shape.S = 1;
        c.kappa = kappa;
        c.r_max = 100, c.d_max = 100;
        if (c.spec().correction == Correction::none) c.r_max.reset(), c.d_max.reset();
        cases.push_back(c);
        if (tier == Tier::smoke) break;
    }
    return cases;
}

std::string identity_refuses(const Case& c) {
    const Axes block = c.spec().block;
    if ((!block.samples && c.shape.N > 1) || (!block.positions && c.shape.S > 1) || c.stat_batch)
        return "gamma and beta, one a channel, cannot undo several blocks of a channel";
    const std::string by_channel = needs_one_a_channel(c);
    return by_channel.empty() ? needs_training(c) : by_channel;
}

std::vector<Finding> identity(const Case& c, const Implementation& implementation) {
    Inputs<double> in = draw(c);
    in.dy.clear(), in.gamma.clear(), in.beta.clear();
    const truth::Result plain = truth::evaluate(in);
    const auto C = static_cast<std::size_t>(c.shape.C), S = static_cast<std::size_t>(c.shape.S);
    std::vector<Quad> gamma(C), beta(C), factor(C);
    for (const truth::Block& b : plain.blocks)
        for (std::size_t i : b.elements) {  // y = gamma (x_hat r + d) + beta with x_hat = (x - mean) / s
            factor[i / S % C] = b.s / b.r;
            beta[i / S % C] = b.mean - b.d * b.s / b.r;
        }
    const Quad offset(c.spec().gamma_offset);
    const DType params = in.problem.params();
    for (std::size_t ch = 0; ch < C; ++ch) {
        gamma[ch] = factor[ch] - offset;
        in.gamma.push_back(rounded(static_cast<double>(gamma[ch]), params));
        in.beta.push_back(rounded(static_cast<double>(beta[ch]), params));
        if (is_narrow(params) && (!std::isfinite(in.gamma[ch]) || !std::isfinite(in.beta[ch]) ||
                                  std::abs(in.gamma[ch]) < row_of(params).smallest_normal))
            throw Unsuitable(fmt::format("sigma or the mean is no normal number of {}", name_of(params)));
    }
    const truth::Result t = truth::evaluate(in);
    Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
    for (std::size_t i = 0; i < in.x.size(); ++i) {  // gamma and beta were rounded
        const std::size_t ch = i / S % C;
        const double size = std::abs(in.x[i]) + 2 * std::abs(in.beta[ch]),
                     share = offset == 0 || factor[ch] == 0 ? 1 : static_cast<double>(abs(gamma[ch]) / factor[ch]);
        bounds.y[i] += row_of(params).roundoff * std::max(1.0, share) * size;
    }
    return {compare("y = x", in.problem, run_forward(implementation, in).y, wides(in.x), bounds.y)};
}

std::vector<Case> chain_rule_cases(const Case& base, Tier tier) {
    std::vector<Case> cases{with_small_shape(base)};
    if (tier == Tier::smoke) return cases;
    cases.push_back(with_small_shape(base));
    cases.back().sigma = 0.01;
    cases.push_back(with_block(base, 64));
    cases.back().kappa = is_narrow(base.dtype) ? 10 : 1e4;
    return cases;
}

// Ioffe & Szegedy 2015, section 3, before simplification: by x_hat, by the variance, by the mean, by x.
std::vector<Quad> paper_dx(const Inputs<double>& in, const truth::Result& t) {
    const Spec& spec = in.problem.spec;
    std::vector<Quad> dx(in.x.size(), Quad(0));
    for (const truth::Block& b : t.blocks) {
        if (b.s == 0) continue;
        const Quad m(static_cast<double>(b.elements.size())), q(b.divisor);
        Quad by_var = 0, by_mean = 0, sum_centred = 0;
        std::vector<Quad> by_x_hat;
        for (std::size_t i : b.elements) {
            const Quad factor = in.gamma.empty() ? Quad(1) : spec.factor(Quad(in.gamma[in.problem.affine_entry(i)]));
            by_x_hat.push_back(Quad(in.dy[i]) * factor * b.r);
            const Quad centred = Quad(in.x[i]) - b.mean;
            by_var += by_x_hat.back() * centred * slope_of<Quad>(spec, b.var) * Quad(-0.5) / (b.s * b.s * b.s);
            by_mean -= by_x_hat.back() / b.s;
            sum_centred += centred;
        }
        by_mean = spec.centred() ? by_mean + by_var * Quad(-2) * sum_centred / q : Quad(0);
        for (std::size_t k = 0; k < b.elements.size(); ++k) {
            const std::size_t i = b.elements[k];
            const Quad through_var = k < b.part ? by_var * 2 * (Quad(in.x[i]) - b.mean) / q : Quad(0);
            dx[i] = by_x_hat[k] / b.s + through_var + by_mean / m;
        }
    }
    return dx;
}

std::vector<Finding> chain_rule(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const truth::Result t = truth::evaluate_by_tape(in);
    const std::vector<Quad> paper = paper_dx(in, t);
    std::vector<Finding> all{compare("dx", in.problem, run(implementation, in).dx, wides(paper),
                                     error_bounds(in, t, implementation.accumulation(c.dtype)).dx)};
    Inputs<Quad> wide = in.as<Quad>(DType::quad);
    if (!implementation.supports(wide.problem)) return all;
    const Inputs<double> wide_problem = in.as<double>(DType::quad);
    const std::vector<double> bound = error_bounds(wide_problem, t, Accumulation::sequential).dx;
    const std::vector<Quad> dx = run(implementation, wide).dx;
    Finding worst_of;
    for (std::size_t i = 0; i < dx.size(); ++i) {  // twice: the chain rule above rounds too
        const Finding f = measured("dx in quad", static_cast<double>(abs(dx[i] - paper[i])), 2 * bound[i],
                                   fmt::format("element {}", i));
        worst_of = i == 0 ? f : worst({worst_of, f});
    }
    all.push_back(worst_of);
    return all;
}

// Two variants that are one on some shapes.
struct Equality {
    std::string_view left, right, statement;
    void (*prepare)(Case& left, Case& right);
    bool root_of_block = false;  // y of right times sqrt(m) is y of left
    bool forward_only = false;
};

constexpr Equality equalities[] = {
    {"group_norm", "layer_norm", "one group is layer norm", [](Case& l, Case&) { l.groups = 1; }},
    {"group_norm", "instance_norm", "a group a channel is instance norm", [](Case& l, Case&) { l.groups = l.shape.C; }},
    {"batch_norm", "instance_norm", "one sample is instance norm",
     [](Case& l, Case& r) { l.shape.N = r.shape.N = 1, l.stat_batch = 0; }},
    {"batch_norm", "instance_norm", "batches of one sample are instance norm",
     [](Case& l, Case&) { l.stat_batch = 1; }},
    {"batch_renorm", "batch_norm", "r = 1 and d = 0 is batch norm",
     [](Case& l, Case& r) { l.r_max = 1, l.d_max = 0, r.stat_batch = l.stat_batch; }},
    {"batch_renorm", "batch_norm", "unclipped it is batch norm in evaluation",
     [](Case& l, Case& r) {
         l.stat_batch = 0, l.r_max = l.d_max = 1e6, r.mode = Mode::eval,
         r.running = l.running = Running::biased_variance;
     },
     false, true},
    {"instance_norm", "layer_norm", "one channel is layer norm",
     [](Case& l, Case& r) { l.shape.C = r.shape.C = 1, l.running.reset(); }},
    {"layer_norm", "batch_norm", "one sample of one channel is batch norm",
     [](Case& l, Case& r) {
         l.shape = r.shape = {1, 1, 18};
     }},
    {"filter_response_norm", "rms_norm", "one channel is rms norm",
     [](Case& l, Case& r) { l.shape.C = r.shape.C = 1, r.affine = l.affine; }},
    {"l2_norm", "weight_norm", "above its floor, one sample of one channel is weight norm",
     [](Case& l, Case& r) {
         l.shape = r.shape = {1, 1, 18}, l.eps = 0, r.affine = l.affine = AffineUse::gamma;
     }},
    {"weight_standardization", "batch_norm", "with eps inside the root it is batch norm",
     [](Case& l, Case& r) { l.denominator = Denominator::root, l.divisor = Divisor::own, r.running = Running::none; }},
    {"partial_rms_norm", "rms_norm", "a part that is all is rms norm", [](Case& l, Case&) { l.part = 1; }},
    {"rms_norm", "weight_norm", "sqrt(m) times weight norm of one channel",
     [](Case& l, Case& r) {
         l.shape = r.shape = {1, 1, 18}, l.eps = 0, r.affine = l.affine = AffineUse::gamma;
     },
     true},
};

std::vector<Case> equality_cases(const Case& base, Tier) { return {with_small_shape(base)}; }

std::string equality_refuses(const Case& c) {
    if (std::ranges::none_of(equalities, [&](const Equality& e) { return e.left == c.variant; }))
        return "no equality is listed under " + c.variant;
    const std::string by_channel = needs_one_a_channel(c);
    return by_channel.empty() ? needs_training(c) : by_channel;
}

std::vector<Finding> cross_variant(const Case& c, const Implementation& implementation) {
    std::vector<Finding> all;
    std::string declined;  // by an implementation that serves one variant of a pair alone
    const auto serves = [&](const Case& one) {
        Problem p = one.problem();
        p.device = implementation.device();
        const Support support = implementation.supports(p);
        if (!support) declined = support.reason;
        return static_cast<bool>(support);
    };
    for (const Equality& e : equalities) {
        if (e.left != c.variant) continue;
        Case left = c, right = c;
        right.variant = e.right;
        right.groups.reset(), right.denominator.reset(), right.divisor.reset(), right.running.reset();
        right.r_max.reset(), right.d_max.reset(), right.part.reset();
        right.stat_batch = 0;
        e.prepare(left, right);
        right.eps = left.spec().eps;
        if (!is_valid(left) || !is_valid(right)) continue;  // one element a block, say: nothing to compare
        if (!serves(left) || !serves(right)) continue;
        const Inputs<double> l = draw(left);
        Inputs<double> r = l;  // the same numbers
        r.problem = right.problem();
        if (r.problem.spec.running == Running::none) r.state = {};
        else if (r.state.var.empty()) r.state = initial_state(r.problem.spec, c.shape.C);
        if (r.state.var.size() != static_cast<std::size_t>(right.shape.C))
            r.state = initial_state(r.problem.spec, right.shape.C);
        const Outputs<double> a = run(implementation, l);
        const Outputs<double> b = run(implementation, r);
        const auto accumulation = implementation.accumulation(c.dtype);
        const Bounds bound_a = error_bounds(l, truth::evaluate(l), accumulation);
        const Bounds bound_b = error_bounds(r, truth::evaluate(r), accumulation);
        const double root = e.root_of_block ? std::sqrt(static_cast<double>(l.problem.block_size())) : 1;
        for (const QuantityRow& q : quantities::outputs()) {
            if (q.by && e.forward_only) break;
            const double times = q.quantity == Quantity::dbeta ? 1 : root;
            std::vector<double> scaled = q.in(b), bound = bound_b.*q.bound;
            for (std::size_t i = 0; i < scaled.size(); ++i) {
                scaled[i] *= times;
                bound[i] = times * bound[i] + (bound_a.*q.bound)[i];
            }
            Finding f = compare(q.name, q.stored(l.problem), q.in(a), wides(scaled), bound);
            f.note = fmt::format("{}: {}", e.statement, f.error == 0 ? "bit for bit" : "within bounds");
            all.push_back(f);
        }
    }
    if (all.empty() && !declined.empty())
        throw Unsuitable(c.implementation + " declines the other variant: " + declined);
    return all;
}

}  // namespace

extern const Check identity_check{
    "identity", "gamma = sqrt(var + eps), beta = mean gives y = x", false, identity_refuses, identity_cases, identity};
extern const Check chain_rule_check{"chain_rule",
                                    "the paper's unsimplified chain rule, in quad, equals the compact dx",
                                    true,
                                    needs_own_statistics,
                                    chain_rule_cases,
                                    chain_rule};
extern const Check cross_variant_check{"cross_variant", "variants that coincide on some shapes give the same",
                                       false,           equality_refuses,
                                       equality_cases,  cross_variant};

}  // namespace normlab::verify
