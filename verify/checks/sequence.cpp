// Calls as a training run makes them, one after another, as one case: each is judged by truth on its own, from the
// State that the calls before it should have left.

#include <algorithm>
#include <map>
#include <ranges>
#include <utility>

#include <fmt/format.h>

#include "norms/running_stats.hpp"
#include "norms/variants.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/running_roundings.hpp"
#include "verify/check/session.hpp"
#include "verify/faults/naming.hpp"

namespace normlab::verify {
namespace {

constexpr int micro_batches = 3;

std::string sequence_refuses(const Case& c) {
    const Spec s = c.spec();
    if (s.running == Running::none || !may_keep_state(s)) return c.variant + " keeps no running statistics here";
    const bool calls =
        c.steps.empty() || std::ranges::any_of(c.steps, [](const CaseStep& step) { return step.act != Act::momentum; });
    if (!calls) return "no step of it is a call";
    return c.mode == Mode::train ? "" : "its steps say which mode they are of";
}

std::vector<Case> sequence_cases(const Case& base, Tier tier) {
    std::vector<Case> cases;
    const auto add = [&](const char* steps) {
        cases.push_back(with_state(with_small_shape(base)));
        cases.back().steps = parse_steps("steps", steps);
    };
    add("train,frozen,momentum:0.5,accumulate,momentum,eval,recompute,frozen");
    if (tier == Tier::smoke) return cases;
    add("train,momentum:0.5,train,eval,momentum:none,train,train,momentum,train,eval");
    add("recalibrate,eval,frozen,train,eval"), cases.back().state = StateKind::far;
    add("eval,train,recompute,train,eval"), cases.back().count = 0;
    if (!base.spec().block.samples) return cases;
    add("train,accumulate,eval,recompute,train");
    cases.back().shape.N = 6, cases.back().stat_batch = 2;
    return cases;
}

class Sequence {
public:
    Sequence(const Case& c, const Implementation& implementation)
        : case_(c), implementation_(implementation), state_(draw(c).state), momentum_(c.momentum) {}

    std::vector<Finding> run() {
        std::vector<CaseStep> steps = case_.steps;
        if (steps.empty()) steps = sequence_cases(case_, Tier::smoke)[0].steps;
        for (const CaseStep& step : steps) {
            where_ = fmt::format("step {}, {}: ", ++number_, steps_text({step}));
            take(step);
        }
        std::vector<Finding> all;
        for (const std::string& quantity : order_) all.push_back(worst(findings_[quantity]));
        return all;
    }

private:
    void take(const CaseStep& step) {
        switch (step.act) {
            case Act::train: return differentiated(drawn(Mode::train));
            case Act::frozen: return differentiated(drawn(Mode::eval));
            case Act::eval: return forward_alone(Mode::eval);
            case Act::accumulate: return accumulate();
            case Act::recompute: return recompute();
            case Act::recalibrate: return recalibrate();
            case Act::momentum: momentum_ = step.momentum ? step.momentum : case_.momentum;
        }
    }

    Inputs<double> drawn(Mode mode) {
        Case next = case_;
        next.seed += draws_++;
        next.mode = mode, next.momentum = momentum_;
        Inputs<double> in = draw(next);
        in.state = state_;
        // blocks of equal numbers with eps = 0 leave such a State
        if (in.problem.has_correction() && std::ranges::any_of(spread_of(state_), [&](double spread) {
                return !(running_sigma(in.problem.spec, spread) > 0);
            }))
            throw Unsuitable("a step of it leaves a running sigma of 0, by which r and d divide");
        return in;
    }

    // One plan for each mode and momentum, for as long as the sequence lasts.
    Session& plan(const Problem& p) {
        const std::string of = p.mode == Mode::eval ? "eval"
                               : p.spec.momentum    ? fmt::format("{}", *p.spec.momentum)
                                                    : "none";
        std::unique_ptr<Session>& kept = plans_[of];
        if (!kept) kept = std::make_unique<Session>(implementation_, p);
        return *kept;
    }

    void differentiated(const Inputs<double>& in) {
        Session& s = plan(in.problem);
        s.write(in), s.forward(), s.backward();
        judge(in, s.outputs());
    }

    void forward_alone(Mode mode) {
        Inputs<double> in = drawn(mode);
        in.dy.clear();
        Session& s = plan(in.problem);
        s.write(in), s.forward();
        judge(in, forward_of(s));
    }

    // The parameters stay as they are until all gradients are there.
    void accumulate() {
        struct Batch {
            Inputs<double> in;
            Outputs<double> out = {};
            std::vector<std::byte> kept = {};
        };
        std::vector<Batch> batches;
        for (int k = 0; k < micro_batches; ++k) {
            Batch b{drawn(Mode::train)};
            if (k > 0) b.in.gamma = batches[0].in.gamma, b.in.beta = batches[0].in.beta;
            Session& s = plan(b.in.problem);
            s.write(b.in), s.forward();
            b.out = forward_of(s), b.kept = s.kept();
            state_ = after(b.in);
            batches.push_back(std::move(b));
        }
        for (Batch& b : std::views::reverse(batches)) {
            Session& s = plan(b.in.problem);
            s.write(b.in), s.bring_back(b.kept), s.backward();
            const Outputs<double> gradients = s.outputs();
            b.out.dx = gradients.dx, b.out.dgamma = gradients.dgamma, b.out.dbeta = gradients.dbeta;
        }
        for (const Batch& b : batches) judge(b.in, b.out);
    }

    // What checkpointing saves memory by: nothing of the first forward is kept but its inputs, and State as it was.
    void recompute() {
        const Inputs<double> in = drawn(Mode::train);
        Session& s = plan(in.problem);
        s.write(in), s.forward();
        const std::vector<Array> first = s.results();
        state_ = after(in);
        forward_alone(Mode::eval);
        s.write(in), s.forward();
        std::vector<Array> now, then;
        for (std::size_t k = 0; k < first.size(); ++k)
            if (k == 0 || k > static_cast<std::size_t>(Quantity::dbeta))  // what forward gives
                now.push_back(s.results()[k]), then.push_back(first[k]);
        add(same_bits("recomputed", in.problem, now, then, tolerance(implementation_, in)));
        s.backward();
        judge(in, s.outputs());
    }

    // As libraries do it: the cumulative average of a State that begins anew.
    void recalibrate() {
        state_ = initial_state(case_.spec(), case_.shape.C);
        const auto before = std::exchange(momentum_, "none");
        for (int k = 0; k < micro_batches; ++k) forward_alone(Mode::train);
        momentum_ = before;
    }

    static State after(const Inputs<double>& in) { return truth::state_after(in, truth::evaluate(in)); }

    // What a forward gave; a session still has the gradients of an earlier call.
    static Outputs<double> forward_of(const Session& s) {
        Outputs<double> out = s.outputs();
        out.dx.clear(), out.dgamma.clear(), out.dbeta.clear();
        return out;
    }

    void judge(const Inputs<double>& in, const Outputs<double>& out) {
        const auto accumulation = implementation_.accumulation(case_.dtype);
        const truth::Result t = truth::evaluate(in);
        Bounds bounds = error_bounds(in, t, accumulation);
        add_state_rounding(bounds, in, t, implementation_), add_update_roundings(bounds, in, t, accumulation);
        const bool moves = in.problem.mode == Mode::train;
        Problem by_channel = in.problem;
        by_channel.shape = {1, in.problem.shape.C, 1};
        std::vector<Finding> of_call;
        for (const QuantityRow& q : quantities::results())
            if (!q.in(t).empty() && (q.output || (!q.saved && moves)))
                of_call.push_back(compare(q.name_in(in.problem.spec), q.stored(q.output ? in.problem : by_channel),
                                          q.in(out), q.in(t), bounds.*q.bound));
        faults::name_faults(of_call, in, t, bounds, out, implementation_);
        const std::int64_t steps = moves ? in.problem.slices() : 0;
        of_call.push_back(measured("updates miscounted", out.state.count != in.state.count + steps, 0));
        if (!moves)
            of_call.push_back(measured(
                "State changed", out.state.mean != in.state.mean || spread_of(out.state) != spread_of(in.state), 0));
        for (Finding& f : of_call) add(std::move(f));
        if (moves) state_ = truth::state_after(in, t);
    }

    void add(Finding f) {
        f.where = where_ + f.where;
        std::vector<Finding>& of_quantity = findings_[f.quantity];
        if (of_quantity.empty()) order_.push_back(f.quantity);
        of_quantity.push_back(std::move(f));
    }

    const Case& case_;
    const Implementation& implementation_;
    State state_;  // as truth has it
    std::optional<std::string> momentum_;
    std::map<std::string, std::unique_ptr<Session>> plans_;
    std::map<std::string, std::vector<Finding>> findings_;
    std::vector<std::string> order_;  // of quantities
    std::uint64_t draws_ = 0;
    int number_ = 0;
    std::string where_;
};

std::vector<Finding> sequence(const Case& c, const Implementation& implementation) {
    return Sequence(c, implementation).run();
}

}  // namespace

extern const Check sequence_check{
    "sequence",
    "calls one after another, each right from the State that those before it leave: training, frozen statistics, "
    "evaluation, micro-batches, recomputation, recalibration, momentum switched and restored",
    false,
    sequence_refuses,
    sequence_cases,
    sequence};

}  // namespace normlab::verify
