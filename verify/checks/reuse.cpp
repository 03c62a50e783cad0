// A plan that is used again: what a kernel prepared for one call and keeps too long shows here. Inputs change where
// they lie, arrays change places, other plans come and go.

#include <algorithm>
#include <future>
#include <optional>

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/running_roundings.hpp"
#include "verify/check/session.hpp"
#include "verify/checks/sizes.hpp"
#include "verify/truth/range.hpp"

namespace normlab::verify {
namespace {

std::vector<Case> reuse_cases(const Case& base, Tier tier) {
    if (repeats_training(with_state(base))) return {};
    std::vector<Case> cases;
    const auto add = [&](const Shape& shape) { cases.push_back(with_shape(base, shape)); };
    add({4, 6, 2});
    if (tier == Tier::smoke) return cases;
    add({4, 63, 16});
    if (with_state(base).spec().running != Running::none)
        add({4, 6, 3}), cases.back().momentum = "none";  // the next State has another count
    add({4, 6, 2}), cases.back().residual = Residual::stored;
    add({4, 6, 2}), cases.back().activation = Activation::threshold;
    add({4, 6, 2}), cases.back().gamma_offset = 1;  // factors that are formed once, and kept
    if (base.layout == Layout::channels_first) add({4, 6, 3}), cases.back().affine_set = AffineSet::element;
    if (!is_weights(base.spec())) add({4, 6, 7}), cases.back().mask = MaskPattern::scattered;
    if (arithmetic_dtype(base.dtype) == DType::f32)
        add({4, 6, 5}), cases.back().output = DType::e4m3, cases.back().scale = Scale::block;
    // Many rows, long ones, and as many elements as several threads or another path are taken for.
    if (is_others(base) || base.dtype == DType::f32) add({97, 6, 1}), add({3, 5003, 1}), add({8, 64, 67});
    if (tier == Tier::full) add({64, 48, 13}), add({5, 258, 1}), add({3, 3, 1031});
    return cases;
}

// `change` of each array, and of the same array of another call.
template <class F>
Inputs<double> changed(Inputs<double> in, const Inputs<double>& other, F change) {
    const auto one = [&](auto& to, const auto& from) {
        if (!to.empty() && to.size() == from.size()) change(to, from);
    };
    one(in.x, other.x), one(in.dy, other.dy), one(in.gamma, other.gamma), one(in.beta, other.beta);
    one(in.tau, other.tau), one(in.residual, other.residual), one(in.ds, other.ds), one(in.mask, other.mask);
    for (const StateArray& a : state_arrays) one(in.state.*a.values, other.state.*a.values);
    return in;
}

constexpr std::size_t after_backward[] = {1, 2, 3, 5, 6};  // the rows of Session::results() that backward fills

std::vector<Array> of_backward(const std::vector<Array>& results) {
    std::vector<Array> some;
    for (const std::size_t k : after_backward) some.push_back(results[k]);
    return some;
}

// One plan through all that may change between its calls.
class Reuse {
public:
    Reuse(const Case& c, const Implementation& implementation)
        : case_(c), implementation_(implementation), a_(draw(c)), b_(draw(with_seed(c, c.seed + 1))),
          tolerance_a_(tolerance(implementation, a_)), plan_(implementation, a_.problem) {}

    std::vector<Finding> run() {
        return {rewritten(),      exchanged(),       parameters_changed(), parameters_absent(), gradients_one_by_one(),
                backward_again(), earlier_forward(), on_another_thread(),  among_other_plans(), many_plans(),
                worst(others_)};
    }

private:
    static Case with_seed(Case c, std::uint64_t seed) {
        c.seed = seed;
        if (c.spec().running != Running::none) c.count = c.count.value_or(0) + 7;
        return c;
    }
    void call(const Inputs<double>& in) { plan_.write(in), plan_.forward(), plan_.backward(); }
    const std::vector<Array>& fresh_a() {
        if (fresh_a_.empty()) fresh_a_ = fresh_results(implementation_, a_);
        return fresh_a_;
    }
    Finding as_fresh(std::string_view quantity, const Inputs<double>& in) const {
        return same_bits(quantity, in.problem, plan_.results(), fresh_results(implementation_, in),
                         tolerance(implementation_, in));
    }
    Finding as_fresh_a(std::string_view quantity) {
        return same_bits(quantity, a_.problem, plan_.results(), fresh_a(), tolerance_a_);
    }
    // Of backward alone.
    Finding gradients_as(std::string_view quantity, const std::vector<Array>& expected) const {
        return same_bits(quantity, a_.problem, of_backward(plan_.results()), of_backward(expected), tolerance_a_);
    }

    Finding rewritten() {
        constexpr std::string_view quantity = "inputs rewritten";
        std::vector<Finding> all;
        Inputs<double> flat = a_;  // as layers begin: whoever found that once may keep it
        std::ranges::fill(flat.gamma, 1), std::ranges::fill(flat.beta, 0), std::ranges::fill(flat.tau, 0);
        std::ranges::fill(flat.state.mean, 0), std::ranges::fill(spread_of(flat.state), 1);
        call(flat), all.push_back(as_fresh(quantity, flat));
        call(a_), all.push_back(as_fresh_a(quantity));
        call(b_), all.push_back(as_fresh(quantity, b_));
        // as little as may be, for whoever looks at the ends of an array, or at its sum
        for (const Inputs<double>&in :
             {changed(a_, b_, [](auto&to, const auto&from) { to.back() = from.back(); }),
              changed(a_, b_, [](auto&to, const auto&from) { to[to.size() / 2] = from[to.size() / 2]; }),
              changed(a_, b_, [](auto&to, const auto&) { std::swap(to[to.size() / 2], to[to.size() / 3]); })}) {
            call(a_), all.push_back(as_fresh_a(quantity));
            call(in), all.push_back(as_fresh(quantity, in));
        }
        if (others_kernel())  // one parameter at a time, for whoever looks at some of them
            for (std::size_t k = 0; k < std::min<std::size_t>(8, a_.gamma.size()); ++k) {
                Inputs<double> in = a_;
                in.gamma[k] = b_.gamma[k];
                call(a_), call(in), all.push_back(as_fresh(quantity, in));
            }
        if (!a_.mask.empty()) {  // alone
            Inputs<double> other = a_;
            other.mask = b_.mask;
            call(other), all.push_back(as_fresh(quantity, other));
        }
        return worst(all);
    }

    Finding exchanged() {
        constexpr std::string_view quantity = "addresses exchanged";
        plan_.exchange_addresses();
        call(b_);
        const Finding first = as_fresh(quantity, b_);
        plan_.exchange_addresses();
        call(a_);
        return worst({first, as_fresh_a(quantity)});
    }

    // Backward goes by the gamma that it is given: Saved does not depend on it.
    Finding parameters_changed() {
        Inputs<double> other = a_;
        other.gamma = b_.gamma, other.beta = b_.beta, other.tau = b_.tau;
        plan_.write(other), plan_.forward();
        plan_.write(a_), plan_.backward();
        Finding f = gradients_as("parameters changed before backward", fresh_a());
        if (f.verdict == Verdict::fail) f.note = "backward is to use the gamma that it is given, not forward's";
        return f;
    }

    Finding parameters_absent() {
        constexpr std::string_view quantity = "parameters now and then";
        Inputs<double> without = a_;
        without.gamma.clear(), without.beta.clear();
        call(without);
        const Finding absent = as_fresh(quantity, without);
        call(a_);
        return worst({absent, as_fresh_a(quantity)});
    }

    Finding gradients_one_by_one() {
        constexpr std::string_view quantity = "gradients one by one";
        std::vector<Finding> all;
        plan_.write(a_), plan_.forward();
        for (const std::size_t which : after_backward)
            for (int times = 0; times < 2; ++times) {  // and again: sums that go on where they were
                plan_.backward({.dx = which == 1,
                                .dgamma = which == 2,
                                .dbeta = which == 3,
                                .d_residual = which == 5,
                                .dtau = which == 6});
                all.push_back(
                    same_bits(quantity, a_.problem, {plan_.results()[which]}, {fresh_a()[which]}, tolerance_a_));
            }
        plan_.backward(), all.push_back(gradients_as(quantity, fresh_a()));
        return worst(all);
    }

    // Several backward calls of one forward, for several losses.
    Finding backward_again() {
        constexpr std::string_view quantity = "backward again";
        Inputs<double> other = a_;
        other.dy = b_.dy;
        call(a_);
        plan_.write(other), plan_.backward();
        const Finding second =
            same_bits(quantity, a_.problem, of_backward(plan_.results()),
                      of_backward(fresh_results(implementation_, other)), tolerance(implementation_, other));
        plan_.write(a_), plan_.backward();
        return worst({second, gradients_as(quantity, fresh_a())});
    }

    // Two forward calls before their backward calls, as with micro-batches: what was saved counts, not the last call.
    Finding earlier_forward() {
        plan_.write(a_), plan_.forward();
        const std::vector<std::byte> kept = plan_.kept();
        Inputs<double> other = b_;  // of the same parameters: what forward keeps of these has a finding of its own
        other.gamma = a_.gamma, other.beta = a_.beta, other.tau = a_.tau;
        plan_.write(other), plan_.forward();
        plan_.write(a_), plan_.bring_back(kept), plan_.backward();
        return gradients_as("backward of an earlier forward", fresh_a());
    }

    // As autograd does it.
    Finding on_another_thread() {
        constexpr std::string_view quantity = "calls on another thread";
        plan_.write(b_), plan_.forward();
        std::async(std::launch::async, [&] { plan_.backward(); }).get();
        const Finding backward = as_fresh(quantity, b_);
        plan_.write(a_);
        std::async(std::launch::async, [&] { plan_.forward(); }).get();
        plan_.backward();
        return worst({backward, as_fresh_a(quantity)});
    }

    // Problems that differ from the case's in one thing, or in the shape.
    std::vector<Case> neighbours() const {
        std::vector<Case> all;
        for (const Values& v : {case_.x, case_.dy, case_.gamma, case_.beta})
            if (!v.given.empty()) return {};  // they fit one shape alone
        const auto add = [&](auto change) {
            Case n = case_;
            n.seed += 2 + all.size();
            change(n);
            if (n.groups && n.shape.C % *n.groups) n.groups = 1;
            if (is_valid(n) && n.text() != case_.text()) all.push_back(n);
        };
        const Spec s = case_.spec();
        const Shape shape = case_.shape;
        add([](Case& n) { n.eps = 0.5; });
        add([](Case& n) { n.mode = n.mode == Mode::train ? Mode::eval : Mode::train; });
        add([](Case& n) {
            n.layout = n.layout == Layout::channels_first ? Layout::channels_last : Layout::channels_first;
        });
        add([](Case& n) { n.dtype = n.dtype == DType::f32 ? DType::f64 : DType::f32; });
        if (s.running != Running::none) {
            add([](Case& n) { n.momentum = "0.7"; });
            add([&](Case& n) {
                n.running =
                    s.running == Running::biased_variance ? Running::unbiased_variance : Running::biased_variance;
            });
        }
        if (s.correction == Correction::renorm)
            add([](Case& n) { n.r_max = 1, n.d_max = 0, n.state = StateKind::far; });
        if (s.groups > 1) add([](Case& n) { n.groups = 1; });
        if (s.block.samples && may_keep_state(s) && shape.N % 2 == 0) add([](Case& n) { n.stat_batch = 2; });
        add([&](Case& n) { n.shape = {shape.N, shape.C * shape.S, 1}; });
        add([&](Case& n) { n.shape = {shape.N + 1, 2 * shape.C, shape.S}; });
        return all;
    }

    // Null where it declines the problem.
    std::unique_ptr<Session> other_plan(const Case& n) {
        try {
            const Inputs<double> in = draw(n);
            auto other = std::make_unique<Session>(implementation_, in.problem);
            other->write(in), other->forward();
            if (case_.shape.size() <= 200) judge(n, in, other->outputs());  // truth takes its time
            other->backward();
            return other;
        } catch (const Declined&) {
        } catch (const Unsuitable&) {
        }
        return nullptr;
    }

    // Between forward and backward, and after: others are made, run and destroyed. They have to be right themselves.
    Finding among_other_plans() {
        constexpr std::string_view quantity = "among other plans";
        std::vector<std::unique_ptr<Session>> kept;
        others_ = {none_of("other plans", 0, "")};
        plan_.write(b_), plan_.forward();
        for (const Case& n : neighbours()) {
            std::unique_ptr<Session> other = other_plan(n);
            if (kept.size() < 4) kept.push_back(std::move(other));  // the rest go at once
        }
        plan_.backward();
        const Finding before = as_fresh(quantity, b_);
        call(a_);
        const Finding among = as_fresh_a(quantity);
        kept.clear();
        call(b_);
        return worst({before, among, as_fresh(quantity, b_)});
    }

    bool others_kernel() const { return !implementation_.origin().empty(); }

    // So many that what plans share is used up, called in turn, each as it was alone.
    Finding many_plans() {
        constexpr std::string_view quantity = "many plans at once";
        constexpr std::int64_t number = 40;
        struct Plan {
            Inputs<double> in;
            std::unique_ptr<Session> session;
            std::vector<Array> alone;
        };
        std::vector<Plan> plans;
        std::vector<Finding> all{none_of(quantity, 0, "")};
        if (!others_kernel() || a_.x.size() > 50) return all[0];
        for (std::int64_t k = 0; k < number; ++k) {
            constexpr Shape shapes[] = {
                {2, 16, 4}, {2, 4, 16}, {2, 8, 8}, {3, 6, 5}, {2, 6, 10}};  // of equal sizes, too
            Case n = with_shape(case_, shapes[k % std::ssize(shapes)]);
            n.seed += static_cast<std::uint64_t>(k);
            if (k % 2) n.eps = 0.5;
            if (n.groups) n.groups = 2;
            if (!is_valid(n)) continue;
            try {
                Inputs<double> in = draw(n);
                std::vector<Array> alone = fresh_results(implementation_, in);
                auto session = std::make_unique<Session>(implementation_, in.problem);
                plans.push_back({std::move(in), std::move(session), std::move(alone)});
            } catch (const Declined&) {
            } catch (const Unsuitable&) {
            }
        }
        for (Plan& p : plans) p.session->write(p.in), p.session->forward();
        for (Plan& p : plans) {
            p.session->backward();
            all.push_back(
                same_bits(quantity, p.in.problem, p.session->results(), p.alone, tolerance(implementation_, p.in)));
        }
        return worst(all);
    }

    // A fresh plan could be as wrong as this one, where plans themselves are kept: truth tells.
    void judge(const Case& n, Inputs<double> in, Outputs<double> out) {
        in.dy.clear();
        const truth::Result t = truth::evaluate(in);
        const Accumulation accumulation = implementation_.accumulation(n.dtype);
        Bounds bounds = error_bounds(in, t, accumulation);
        add_update_roundings(bounds, in, t, accumulation), add_state_rounding(bounds, in, t, implementation_);
        const bool saturated = accept_saturation(in, accumulation, out, t, bounds) > 0;
        Problem by_channel = in.problem;
        by_channel.shape = {1, n.shape.C, 1};
        const bool moves = !saturated && n.mode == Mode::train && in.problem.spec.running != Running::none;
        for (const Quantity which : {Quantity::y, Quantity::running_mean, Quantity::running_spread}) {
            const QuantityRow& q = row_of(which);
            if (which == Quantity::y ? in.problem.spec.quantizes() : !moves) continue;
            others_.push_back(compare("other plans", q.stored(which == Quantity::y ? in.problem : by_channel),
                                      q.in(out), q.in(t), bounds.*q.bound));
            Finding& f = others_.back();
            if (f.verdict == Verdict::fail) f.where = fmt::format("{} of {}: {}", q.name, n.text(), f.where);
        }
    }

    const Case& case_;
    const Implementation& implementation_;
    const Inputs<double> a_, b_;
    const std::optional<Bounds> tolerance_a_;
    Session plan_;
    std::vector<Array> fresh_a_;
    std::vector<Finding> others_;
};

std::vector<Finding> reuse(const Case& c, const Implementation& implementation) {
    return Reuse(c, implementation).run();
}

}  // namespace

extern const Check reuse_check{
    "reuse",
    "one plan gives what a fresh one gives: inputs rewritten where they lie, addresses exchanged, gamma changed before "
    "backward, backward of an earlier forward, parameters and gradients now and then, on other threads, among other "
    "plans and many at once",
    false,
    always,
    reuse_cases,
    reuse,
    true,
    true,
    true,
    true};

}  // namespace normlab::verify
