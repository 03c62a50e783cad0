// The double backward: ddx, ddy and ddgamma, the gradients of S = <dx, v> + <dgamma, u> + <dbeta, w>. Against truth;
// against derivatives of the first backward pass, by the complex step on the reference and by differences on the
// implementation's own; and by what must hold of them without either.

#include <algorithm>

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/exact.hpp"
#include "verify/check/gradient.hpp"
#include "verify/check/twice.hpp"
#include "verify/checks/oracles.hpp"
#include "verify/checks/sizes.hpp"
#include "verify/faults/naming.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/scale.hpp"

namespace normlab::verify {
namespace {

using Vector = std::vector<double>;

// ---- against truth ----

std::vector<Case> double_backward_cases(const Case& base, Tier tier) {
    std::vector<Case> cases;
    const Spec spec = base.spec();
    const bool f32 = base.dtype == DType::f32;
    const auto add = [&](auto change) {
        Case c = with_small_shape(base);
        change(c);
        cases.push_back(c);
    };
    const auto add_shape = [&](const Shape& shape) {
        add([&](Case& c) {
            c.shape = shape;
            if (c.groups && shape.C % 3 != 0) c.groups = 1;
        });
    };
    const auto add_block = [&](std::int64_t m, double kappa) {
        cases.push_back(with_block(base, m));
        cases.back().kappa = std::min(kappa, row_of(base.dtype).largest_kappa);
    };
    add([](Case&) {});
    if (tier == Tier::smoke || repeats_training(base)) return cases;
    for (AffineUse use : {AffineUse::gamma, AffineUse::none}) add([use](Case& c) { c.affine = use; });
    add([](Case& c) { c.gamma.pattern = "mixed"; });  // some are 0
    add([](Case& c) { c.gamma.pattern = "zero"; });
    for (const AffineUse use : {AffineUse::both, AffineUse::beta})
        add([use](Case& c) { c.gamma_offset = 1, c.affine = use; });
    if (arithmetic_dtype(base.dtype) == DType::f32) add([](Case& c) { c = with_narrow_params(c); });
    for (const AffineSet set : other_sets) add([set](Case& c) { c.affine_set = set; });
    for (const Shape& shape : {Shape{1, 6, 3}, Shape{5, 1, 3}, Shape{5, 6, 1}, Shape{1, 1, 7}}) add_shape(shape);
    if (spec.eps > 0) {
        add([](Case& c) { c.sigma = 0.01; });
        for (const double eps : {0.5, 3.0}) add([eps](Case& c) { c.eps = eps; });
        if (base.dtype != DType::f16) add([](Case& c) { c.sigma = 1e-4; });
    }
    if (spec.correction == Correction::none) add([](Case& c) { c.eps = 0; });
    add_forms(cases, Case(cases[0]));
    for (const std::int64_t m : {5, 64}) add_forms(cases, with_block(cases[0], m));
    add_near_floor(cases, Case(cases[0]));
    if (spec.block.samples && may_keep_state(spec)) {
        add([](Case& c) { c.shape.N = 6, c.stat_batch = 2; });
        if (spec.correction == Correction::none) add([](Case& c) { c.running = Running::none; });
    }
    if (spec.correction == Correction::renorm) {
        for (StateKind kind : {StateKind::far, StateKind::at}) add([kind](Case& c) { c.state = kind; });
        add([](Case& c) { c.running = Running::unbiased_variance; });
    } else if (spec.running == Running::none && may_keep_state(spec)) {
        add([](Case& c) { c.running = Running::unbiased_variance; });
    }
    if (spec.block.channels && !spec.block.groups) {
        add([](Case& c) { c.groups = 1; });
        add([](Case& c) { c.groups = c.shape.C; });
    }
    add([](Case& c) { c.x.pattern = "constant", c.offset = 3; });
    if (spec.correction == Correction::none) add([](Case& c) { c.x.pattern = "constant", c.eps = 0; });  // 0 / 0
    add_block(8, 1), add_block(64, 1), add_block(8, 1e3), add_block(64, 100), add_block(251, 1);
    // tails, and paths that are chosen by size
    const bool first = base.layout == Layout::channels_first;
    add_block(1021, 1), add_shape({67, 3, 2});
    if (f32) add_shape({1021, 3, 2}), add_shape({2, 1023, 2});
    if (f32 && first) add_block(4099, 1);
    if (first && is_others(base))
        add_block(8193, 1), add_block(16384, 1), add_shape({4099, 5, 1}), add_shape({3, 2049, 1});
    add([](Case& c) { c.shape.C = 66, c.groups = c.groups ? 3 : c.groups, c.gamma_offset = 1; });
    add_block(257, 1), cases.back().gamma_offset = 1;
    if (tier == Tier::full)
        for (const std::uint64_t seed : full_tier_seeds)
            for (const std::int64_t m : {8, 64, 257, 2048}) add_block(m, 1), cases.back().seed = seed;
    return cases;
}

std::vector<Finding> double_backward(const Case& c, const Implementation& implementation) {
    require_double_backward(c.problem(), implementation);
    const Inputs<double> in = draw_twice(c);
    const truth::Result t = truth::evaluate(in);
    const Accumulation a = implementation.accumulation(c.dtype);
    const Bounds hard = error_bounds(in, t, a), soft = error_bounds(in, t, a, Limit::warning);
    const Outputs<double> out = run(implementation, in);
    std::vector<Finding> all;
    for (const QuantityRow& q : quantities::second()) {
        Finding f = compare(q.name, q.stored(in.problem), q.in(out), q.in(t), hard.*q.bound, soft.*q.bound);
        f.not_judged = f.verdict == Verdict::pass && f.error > 0 && promises_nothing(hard.*q.bound, scale_of(q, in, t));
        all.push_back(std::move(f));
    }
    faults::name_faults(all, in, t, hard, out, implementation);
    return all;
}

// ---- against derivatives of the first backward pass ----

std::vector<Case> small_cases(const Case& base, Tier tier, const Shape& shape) {
    std::vector<Case> all = oracle_cases(base, shape);
    if (tier != Tier::smoke)
        for (const Shape& one : {Shape{1, shape.C, shape.S + 2}, Shape{shape.N + 1, 1, shape.S}}) {
            all.push_back(all[0]);
            all.back().shape = one;
            if (all.back().groups && one.C == 1) all.back().groups = 1;
        }
    for (Case& c : all) c.kappa = std::min(c.kappa, 10.0);
    if (tier == Tier::smoke || repeats_training(base)) return {all[0]};
    if (tier == Tier::full)
        for (const std::uint64_t seed : full_tier_seeds)
            for (Case c : oracle_cases(base, shape)) {
                c.kappa = std::min(c.kappa, 10.0), c.seed = seed;
                all.push_back(c);
            }
    return all;
}

std::vector<Case> double_derivatives_cases(const Case& base, Tier tier) { return small_cases(base, tier, {4, 6, 6}); }

// S is the derivative of the loss sum dy y along v in x, u in gamma and w in beta. So ddx and ddgamma are those of dx
// and dgamma, and ddy is that of y: by the complex step on the reference, exact but for rounding.
Outputs<double> by_complex_step(const Inputs<double>& in) {
    constexpr double h = 1e-200;
    Inputs<Complex> at = in.as<Complex>(DType::complex);
    const auto entries = static_cast<std::size_t>(in.problem.affine_count());
    if (at.gamma.empty()) at.gamma.assign(entries, 1.0 - in.problem.spec.gamma_offset);
    if (at.beta.empty()) at.beta.assign(entries, 0);
    const auto step = [&](std::vector<Complex>& to, std::vector<Complex>& along) {
        for (std::size_t k = 0; k < along.size(); ++k) to[k] = {to[k].real(), h * along[k].real()};
        along.clear();
    };
    step(at.x, at.v), step(at.gamma, at.u), step(at.beta, at.w);
    const Outputs<Complex> out = run(find_implementation("reference"), at);
    Outputs<double> second;
    const auto take = [&](const std::vector<Complex>& from, Vector& to) {
        for (const Complex& v : from) to.push_back(v.imag() / h);
    };
    take(out.dx, second.ddx), take(out.y, second.ddy), take(out.dgamma, second.ddgamma);
    return second;
}

// Whether S can be held against its differences: in f64, where one layout is like another.
bool has_differences(const Case& c) {
    return c.dtype == DType::f64 && c.layout == Layout::channels_first && c.kappa == 1 && !c.stat_batch;
}

// S at x + a p, dy + b q, gamma + c s, of (a, b, c), by the implementation's own first backward pass. Batch renorm's r
// and d hold still: freeze_correction.
std::vector<Finding> against_differences(const Inputs<double>& in, const truth::Result& t, const Outputs<double>& out,
                                         std::uint64_t seed, const Implementation& implementation) {
    Random random(seed, 12000);
    Inputs<double> moving = in;
    moving.v.clear(), moving.u.clear(), moving.w.clear();
    if (moving.gamma.empty())
        moving.gamma.assign(static_cast<std::size_t>(in.problem.affine_count()), 1.0 - in.problem.spec.gamma_offset);
    const Vector p = random.normals(in.x.size()), q = random.normals(in.x.size()),
                 s = random.normals(moving.gamma.size());
    Vector of_x(p);  // in units of each block's s
    for (const truth::Block& b : t.blocks) {
        const double unit = static_cast<double>(b.s) * std::sqrt(b.divisor / static_cast<double>(b.elements.size()));
        for (const std::size_t i : b.elements) of_x[i] *= unit;
    }
    const ScalarFunction S = [&](std::span<const double> at) {
        Inputs<double> here = moving;
        for (std::size_t i = 0; i < p.size(); ++i) here.x[i] += at[0] * of_x[i], here.dy[i] += at[1] * q[i];
        for (std::size_t c = 0; c < s.size(); ++c) here.gamma[c] += at[2] * s[c];
        freeze_correction(here, t);
        const Outputs<double> first = run(implementation, here);
        Sum sum;
        const auto add = [&](const Vector& gradient, const Vector& cotangent) {
            for (std::size_t k = 0; k < cotangent.size(); ++k)
                sum.value += gradient[k] * cotangent[k], sum.size += std::abs(gradient[k] * cotangent[k]);
        };
        add(first.dx, in.v), add(first.dgamma, in.u), add(first.dbeta, in.w);
        return sum;
    };
    const auto dot = [](const Vector& a, const Vector& b) {
        Quad sum = 0;
        for (std::size_t k = 0; k < a.size(); ++k) sum += Quad(a[k]) * b[k];
        return static_cast<double>(sum);
    };
    const Vector zero(3), gradient{dot(out.ddx, of_x), dot(out.ddy, q), dot(out.ddgamma, s)};
    return check_gradient("S", S, zero, gradient, {.roundings = 400, .step = 0.125, .seed = seed});
}

std::vector<Finding> double_derivatives(const Case& c, const Implementation& implementation) {
    require_double_backward(c.problem(), implementation);
    const Inputs<double> in = draw_twice(c);
    const truth::Result t = truth::evaluate(in);
    const Outputs<double> out = run(implementation, in), right = by_complex_step(in);
    const Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
    const Bounds of_step = error_bounds(in.as<double>(DType::f64), t, Accumulation::sequential);
    std::vector<Finding> all;
    for (const QuantityRow& q : quantities::second()) {
        Vector bound = bounds.*q.bound;
        // the complex step rounds as a double backward of its own would: value and derivative
        for (std::size_t k = 0; k < bound.size(); ++k) bound[k] += 2 * (of_step.*q.bound)[k];
        all.push_back(compare(q.name, in.problem, q.in(out), wides(q.in(right)), bound));
    }
    if (has_differences(c))
        std::ranges::copy(against_differences(in, t, out, c.seed, implementation), std::back_inserter(all));
    return all;
}

// ---- what must hold of them ----

std::vector<Case> double_identities_cases(const Case& base, Tier tier) {
    std::vector<Case> cases = small_cases(base, tier, {4, 6, 3});
    if (tier == Tier::smoke || repeats_training(base)) return cases;
    for (const Shape& shape : {Shape{4, 6, 3}, Shape{3, 12, 5}}) {
        cases.push_back(cases[0]);
        cases.back().shape = shape, cases.back().gamma_offset = 1;
    }
    return cases;
}

// A call, with its bounds.
struct Called {
    Inputs<double> in;
    Outputs<double> out;
    Bounds bounds;
};

class Identities {
public:
    Identities(const Case& c, const Implementation& implementation)
        : implementation_(implementation), all_(called(draw_twice(c))), other_(all_.in) {
        Random random(c.seed, 13000);
        const DType params = c.problem().params();
        other_.v = rounded(random.normals(other_.v.size()), c.dtype);
        other_.u = rounded(random.normals(other_.u.size()), params);
        other_.w = rounded(random.normals(other_.w.size()), params);
    }

    std::vector<Finding> run_all() {
        of_v_ = with(true, false, false), of_u_ = with(false, true, false), of_w_ = with(false, false, true);
        return {sum_of_parts(), some(),      scaled(),  absent(),   asked(),      by_dy(),
                by_gamma(),     symmetric(), shifted(), one_plan(), any_threads()};
    }

private:
    Called called(Inputs<double> in) const {
        if (!in.twice()) in.v.assign(in.x.size(), 0);  // of what is not there
        const Bounds bounds = error_bounds(in, truth::evaluate(in), implementation_.accumulation(in.problem.dtype));
        return {in, run(implementation_, in), bounds};
    }
    Called with(bool v, bool u, bool w) const {
        Inputs<double> in = all_.in;
        if (!v) in.v.clear();
        if (!u) in.u.clear();
        if (!w) in.w.clear();
        return called(in);
    }
    const Problem& problem() const { return all_.in.problem; }

    // Of both sides of an equation, and what rounding may make of their difference.
    struct Sides {
        Quad difference = 0;
        double bound = 0;

        void add(double times, double value, double of_value) {
            difference += Quad(times) * Quad(value);
            bound += std::abs(times) * of_value;
        }
        void add(double sign, const Vector& times, const Vector& values, const Vector& bounds) {
            for (std::size_t k = 0; k < times.size(); ++k) add(sign * times[k], values[k], bounds[k]);
        }
        Finding finding(std::string_view quantity, std::string where = {}) const {
            return measured(quantity, std::abs(static_cast<double>(difference)), bound, std::move(where));
        }
    };

    // Each of its cotangents alone, and all together: the operation is linear in them.
    Finding sum_of_parts() const {
        std::vector<Finding> each;
        for (const QuantityRow& q : quantities::second()) {
            Vector sum = q.in(of_v_.out), bound = of_v_.bounds.*q.bound;
            for (std::size_t k = 0; k < sum.size(); ++k) {
                sum[k] += q.in(of_u_.out)[k] + q.in(of_w_.out)[k];
                bound[k] += (of_u_.bounds.*q.bound)[k] + (of_w_.bounds.*q.bound)[k] + (all_.bounds.*q.bound)[k];
            }
            each.push_back(compare("v, u and w one by one", problem(), q.in(all_.out), wides(sum), bound));
            each.back().where = fmt::format("{} at {}", q.name, each.back().where);
        }
        return worst(each);
    }

    // Two of the three: against truth.
    Finding some() const {
        std::vector<Finding> each;
        for (const auto& [called_with, name] :
             {std::pair(with(true, true, false), "v and u"), std::pair(with(true, false, true), "v and w"),
              std::pair(with(false, true, true), "u and w")}) {
            const truth::Result t = truth::evaluate(called_with.in);
            for (const QuantityRow& q : quantities::second()) {
                each.push_back(
                    compare("two cotangents", problem(), q.in(called_with.out), q.in(t), called_with.bounds.*q.bound));
                each.back().where = fmt::format("{} with {} at {}", q.name, name, each.back().where);
            }
        }
        return worst(each);
    }

    // Twice as large and of the other sign: no rounding changes, but what overflows or underflows.
    Finding scaled() const {
        Inputs<double> in = all_.in;
        for (Vector* cotangent : {&in.v, &in.u, &in.w})
            for (double& e : *cotangent) e *= -2;
        const Outputs<double> out = run(implementation_, in);
        std::vector<Finding> each;
        for (const QuantityRow& q : quantities::second()) {
            const DType dtype = q.dtype(problem());
            Vector got = q.in(out), expected = q.in(all_.out);
            for (std::size_t k = 0; k < std::min(got.size(), expected.size()); ++k) {
                const double size = std::abs(expected[k]);
                if (size < 2 * row_of(dtype).smallest_normal || 2 * size > row_of(dtype).largest)
                    got[k] = expected[k] = 0;
                expected[k] *= -2;
            }
            Vector within;
            if (!implementation_.deterministic())
                for (const double b : all_.bounds.*q.bound) within.push_back(4 * b);
            each.push_back(same_values("-2 times v, u and w", problem(), got, expected, within));
            each.back().where = fmt::format("{}: {}", q.name, each.back().where);
        }
        return worst(each);
    }

    // Absent is 0.
    Finding absent() const {
        std::vector<Finding> each;
        for (const auto& [called_without, name] :
             {std::pair(&of_v_, "u and w"), std::pair(&of_u_, "v and w"), std::pair(&of_w_, "v and u")}) {
            Inputs<double> in = called_without->in;
            for (const auto& [cotangent, full] :
                 {std::pair(&in.v, &all_.in.v), std::pair(&in.u, &all_.in.u), std::pair(&in.w, &all_.in.w)})
                if (cotangent->empty()) cotangent->assign(full->size(), 0);
            const Outputs<double> out = run(implementation_, in);
            for (const QuantityRow& q : quantities::second()) {
                each.push_back(compare("absent cotangents", problem(), q.in(out), wides(q.in(called_without->out)),
                                       twice(called_without->bounds.*q.bound)));
                each.back().where = fmt::format("{} with {} 0 and absent at {}", q.name, name, each.back().where);
            }
        }
        return worst(each);
    }

    // Any subset of the outputs: the same bits as all.
    Finding asked() const {
        double different = 0;
        std::string where;
        for (int mask = 1; mask < 7; ++mask) {
            Wanted wanted;
            wanted.ddx = (mask & 1) != 0, wanted.ddy = (mask & 2) != 0, wanted.ddgamma = (mask & 4) != 0;
            const Outputs<double> out = run(implementation_, all_.in, wanted);
            for (const QuantityRow& q : quantities::second()) {
                if (!is_asked(q.quantity, wanted)) continue;
                const Vector within = implementation_.deterministic() ? Vector() : twice(all_.bounds.*q.bound);
                if (same_values(q.name, problem(), q.in(out), q.in(all_.out), within).error == 0) continue;
                if (different++ == 0)
                    where = fmt::format("{} differs when asked for{}{}{}", q.name, wanted.ddx ? " ddx" : "",
                                        wanted.ddy ? " ddy" : "", wanted.ddgamma ? " ddgamma" : "");
            }
        }
        return measured("outputs one by one", different, 0, where);
    }

    // S is linear in dy: <ddy, dy> = S, of v, of u and of w alone, by block and by entry of gamma.
    Finding by_dy() const {
        const Vector& dy = all_.in.dy;
        std::vector<Finding> each;
        for (const truth::Block& b : truth::evaluate(all_.in).blocks) {
            Sides sides;
            for (const std::size_t i : b.elements) {
                sides.add(dy[i], of_v_.out.ddy[i], of_v_.bounds.ddy[i]);
                sides.add(-all_.in.v[i], of_v_.out.dx[i], of_v_.bounds.dx[i]);
            }
            each.push_back(sides.finding("<ddy, dy> = S", fmt::format("of v, block {}", each.size())));
        }
        const auto entries = static_cast<std::size_t>(problem().affine_count());
        std::vector<Sides> of_u(entries), of_w(entries);
        for (std::size_t i = 0; i < dy.size(); ++i) {
            of_u[problem().affine_entry(i)].add(dy[i], of_u_.out.ddy[i], of_u_.bounds.ddy[i]);
            of_w[problem().affine_entry(i)].add(dy[i], of_w_.out.ddy[i], of_w_.bounds.ddy[i]);
        }
        for (std::size_t c = 0; c < entries; ++c) {
            if (!all_.in.u.empty()) of_u[c].add(-all_.in.u[c], of_u_.out.dgamma[c], of_u_.bounds.dgamma[c]);
            if (!all_.in.w.empty()) of_w[c].add(-all_.in.w[c], of_w_.out.dbeta[c], of_w_.bounds.dbeta[c]);
            each.push_back(of_u[c].finding("<ddy, dy> = S", fmt::format("of u, {}", entry_text(problem(), c))));
            each.push_back(of_w[c].finding("<ddy, dy> = S", fmt::format("of w, {}", entry_text(problem(), c))));
        }
        return worst(each);
    }

    // dx is linear in gamma, dgamma and dbeta do not depend on it: <ddgamma, gamma> = <dx, v>.
    Finding by_gamma() const {
        Sides sides;
        Vector factors;
        for (std::size_t c = 0; c < all_.out.ddgamma.size(); ++c) factors.push_back(all_.in.factor(c));
        sides.add(1, factors, all_.out.ddgamma, all_.bounds.ddgamma);
        sides.add(-1, all_.in.v, all_.out.dx, all_.bounds.dx);
        return sides.finding("<ddgamma, gamma> = <dx, v>");
    }

    // ddx and ddgamma are the second derivatives of the loss in x and gamma along (v, u); by beta there are none.
    Finding symmetric() const {
        const Called b = called(other_);
        Sides sides;
        sides.add(1, b.in.v, all_.out.ddx, all_.bounds.ddx),
            sides.add(1, b.in.u, all_.out.ddgamma, all_.bounds.ddgamma);
        sides.add(-1, all_.in.v, b.out.ddx, b.bounds.ddx), sides.add(-1, all_.in.u, b.out.ddgamma, b.bounds.ddgamma);
        return sides.finding("<a, H b> = <b, H a>");
    }

    // Where the mean is removed a shift of a block changes no gradient; where statistics are given v has no part in
    // ddx.
    Finding shifted() const {
        std::vector<Finding> each{none_of("sum ddx", 0, "")};
        if (!problem().own_statistics())
            return same_values("ddx of v, statistics given", problem(), of_v_.out.ddx, Vector(all_.in.x.size()));
        if (!problem().spec.centred()) return each[0];
        for (const truth::Block& b : truth::evaluate(all_.in).blocks) {
            Sides sides;
            for (const std::size_t i : b.elements) sides.add(1, all_.out.ddx[i], all_.bounds.ddx[i]);
            each.push_back(sides.finding("sum ddx", fmt::format("block {}", each.size() - 1)));
        }
        return worst(each);
    }

    // One plan through other numbers, and through other cotangents alone, gives what fresh plans give.
    Finding one_plan() const {
        Inputs<double> others = all_.in;
        others.v = other_.v, others.u = other_.u, others.w = other_.w;
        Inputs<double> reversed = others;
        for (Vector* values : {&reversed.x, &reversed.dy, &reversed.gamma}) std::ranges::reverse(*values);
        std::vector<Finding> each;
        TwicePlan plan(implementation_, problem());
        for (const Inputs<double>* in : std::initializer_list<const Inputs<double>*>{
                 &all_.in, &reversed, &all_.in, &others, &of_u_.in, &of_v_.in, &all_.in}) {
            const Outputs<double> got = plan.run(*in), fresh = run(implementation_, *in);
            std::optional<Bounds> within;
            if (!implementation_.deterministic())
                within = error_bounds(*in, truth::evaluate(*in), implementation_.accumulation(in->problem.dtype));
            for (const QuantityRow& q : quantities::second()) {
                each.push_back(same_values("one plan", problem(), q.in(got), q.in(fresh),
                                           within ? twice(*within.*q.bound) : Vector()));
                each.back().where = fmt::format("{}: {}", q.name, each.back().where);
            }
        }
        return worst(each);
    }

    // As a fresh plan with the default number gives it.
    Finding any_threads() const {
        std::vector<Finding> each{measured("numbers of threads", 0, 0)};
        for (const int threads : {1, 2, 3, 4, 7, 16}) {
            if (!implementation_.parallel()) break;
            const Outputs<double> got = TwicePlan(implementation_, problem(), threads).run(all_.in);
            for (const QuantityRow& q : quantities::second()) {
                each.push_back(same_values("numbers of threads", problem(), q.in(got), q.in(all_.out),
                                           implementation_.deterministic() ? Vector() : twice(all_.bounds.*q.bound)));
                each.back().where = fmt::format("{} on {} threads: {}", q.name, threads, each.back().where);
            }
        }
        return worst(each);
    }

    const Implementation& implementation_;
    Called all_, of_v_, of_u_, of_w_;
    Inputs<double> other_;  // cotangents
};

std::vector<Finding> double_identities(const Case& c, const Implementation& implementation) {
    require_double_backward(c.problem(), implementation);
    truth::Result t = truth::evaluate(draw_twice(c));
    require_finite_dx(t, c.dtype);
    t.dx = t.ddx;  // likewise
    require_finite_dx(t, c.dtype);
    return Identities(c, implementation).run_all();
}

}  // namespace

extern const Check double_backward_check{
    "double_backward",
    "ddx, ddy and ddgamma, the gradients of <dx, v> + <dgamma, u> + <dbeta, w>, are within their bounds of truth",
    false,
    always,
    double_backward_cases,
    double_backward,
    false,
    false,
    true};
extern const Check double_derivatives_check{
    "double_derivatives",
    "ddx, ddy and ddgamma are the derivatives of the first backward pass: complex step, Ridders differences and the "
    "Taylor remainder of order 2",
    false,
    always,
    double_derivatives_cases,
    double_derivatives,
    false,
    false,
    true};
extern const Check double_identities_check{"double_identities",
                                           "the double backward is linear in v, u and w, absent ones are 0, outputs "
                                           "may be asked for one by one, <ddy, dy> = S, "
                                           "and the second derivatives are symmetric",
                                           false,
                                           always,
                                           double_identities_cases,
                                           double_identities,
                                           false,
                                           false,
                                           true};

}  // namespace normlab::verify
