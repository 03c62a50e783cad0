// Running statistics and what is made of them: momentum and its direction, bias, evaluation, the folded map, population
// statistics, ghost batches.

#include <algorithm>

#include <fmt/format.h>

#include "norms/operation.hpp"
#include "norms/running_stats.hpp"
#include "norms/variants.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/running_roundings.hpp"
#include "verify/faults/naming.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

std::string needs_state(const Case& c) {
    const Spec s = c.spec();
    return s.running == Running::none || !may_keep_state(s) ? c.variant + " keeps no running statistics here"
                                                            : needs_training(c);
}

std::vector<Case> stateful_cases(const Case& base, Tier) { return {with_state(with_small_shape(base))}; }

std::vector<Case> running_cases(const Case& base, Tier tier) {
    std::vector<Case> cases;
    for (const Case& c : stateful_cases(base, tier))
        for (const char* momentum : {"0.1", "0", "1", "none"})
            for (Running running : {Running::unbiased_variance, Running::biased_variance, Running::sigma}) {
                if (running == Running::sigma && c.spec().correction == Correction::none) continue;
                cases.push_back(c);
                cases.back().momentum = momentum;
                cases.back().running = running;
                if (tier != Tier::smoke && c.spec().block.samples) {
                    cases.push_back(cases.back());
                    cases.back().shape.N = 6, cases.back().stat_batch = 2;
                }
                if (tier != Tier::smoke) {  // eps far above the variance: none of it may leak into a running variance
                    cases.push_back(cases.back());
                    cases.back().eps = 1, cases.back().sigma = 0.1;
                }
            }
    if (tier != Tier::smoke) {
        const bool is_reference = base.implementation == "reference";  // it is slow, and the same code for all sizes
        for (const std::int64_t m : {1025, 8193, 65539})
            if (m < 65536 || !is_reference) cases.push_back(with_state(with_block(base, m))), cases.back().count = 3;
        for (const MaskPattern mask : {MaskPattern::tail, MaskPattern::scattered, MaskPattern::all, MaskPattern::one})
            for (const Shape& shape : {Shape{5, 6, 7}, Shape{6, 3, 2}}) {
                cases.push_back(with_shape(base, shape)), cases.back().mask = mask, cases.back().count = 3;
                if (shape.N == 6 && base.spec().block.samples) cases.back().stat_batch = 2;
            }
        // rows that are averaged over or summed: every remainder of a piece of 64
        for (std::int64_t r = 0; r < 64; r += is_reference ? 21 : 1)
            cases.push_back(with_shape(base, {64 + r, 3, 4})), cases.back().count = 3;
        cases.push_back(with_shape(base, {300, 3, 4})), cases.back().count = 3;
        cases.push_back(with_state(with_small_shape(base)));  // nothing varies, and the mean is far off
        cases.back().x.pattern = "constant", cases.back().offset = 3, cases.back().count = 3;
    }
    if (tier != Tier::smoke)  // at other ages: counted in 16, 24 or 32 bits; data far off, so that each step shows
        for (const char* momentum : {"0.1", "none"})
            for (const std::int64_t count : {std::int64_t{1}, std::int64_t{1000}, std::int64_t{1000000},
                                             (std::int64_t{1} << 24) + 1, (std::int64_t{1} << 32) + 5}) {
                cases.push_back(with_state(with_small_shape(base)));
                cases.back().momentum = momentum, cases.back().count = count, cases.back().state = StateKind::far;
            }
    return cases;
}

// How the running spread moved against how the call's own saved statistics say that it should: no error of a sum is in
// it, so that m for m - 1 shows in long blocks too, where a sum's bound hides it. Roundings, each at most u = the
// compute precision's or that of the State kept: bessel's quotient and product, the n terms of the average, three of
// the step; sqrt(var + eps) halves what it gets.
Finding by_saved(const Inputs<double>& in, const Outputs<double>& out, const Implementation& implementation) {
    const Problem& p = in.problem;
    const auto C = static_cast<std::size_t>(p.shape.C), samples = out.saved.var.size() / C;
    const double u = std::max(unit_roundoff(p.dtype), unit_roundoff(implementation.state_dtype(p)));
    std::vector<truth::Wide> wanted;
    std::vector<double> bound;
    std::vector<Quad> var(out.saved.var.begin(), out.saved.var.end()), mean(var.size());
    const std::vector<std::int64_t> counts = counted_elements(p, in.mask.empty() ? nullptr : in.mask.data());
    for (std::size_t c = 0; c < C; ++c) {
        Quad running_mean(0), spread(spread_of(in.state)[c]), unmoved(0), step(0);
        const auto update = [&](Quad& of_mean, Quad& of_spread) {
            if (counts.empty())
                update_channel(p.spec, of_mean, of_spread, in.state.count, static_cast<std::int64_t>(samples),
                               p.block_size(), &mean[c], &var[c], p.shape.C);
            else
                update_masked_channel<Quad>(p.spec, of_mean, of_spread, in.state.count, counts, &mean[c], &var[c],
                                            p.shape.C);
        };
        update(running_mean, spread), update(unmoved, step);
        wanted.emplace_back(spread);
        bound.push_back((8 + static_cast<double>(samples)) * u * (spread_of(in.state)[c] + static_cast<double>(step)));
    }
    Problem by_channel = p;
    by_channel.shape = {1, p.shape.C, 1};
    return compare("running spread by the saved var", row_of(Quantity::running_spread).stored(by_channel),
                   spread_of(out.state), wanted, bound);
}

std::vector<Finding> running_stats(const Case& c, const Implementation& implementation) {
    Inputs<double> in = draw(c);
    if (!c.count) in.state = initial_state(in.problem.spec, c.shape.C);
    const auto accumulation = implementation.accumulation(c.dtype);
    std::vector<Finding> means, spreads, y, from_saved;
    double wrong_count = 0, changed = 0;
    // Evaluation reads the statistics, however old they are, and leaves them alone.
    const auto evaluate = [&](Inputs<double> eval) {
        eval.problem.mode = Mode::eval;
        eval.dy.clear();
        const truth::Result t = truth::evaluate(eval);
        Outputs<double> out;
        try {
            out = run_forward(implementation, eval);
        } catch (const Declined&) {  // it trains alone: what it moved is judged all the same
            return;
        }
        y.push_back(compare("y in evaluation", eval.problem, out.y, t.y, error_bounds(eval, t, accumulation).y));
        changed += out.state.mean != eval.state.mean || spread_of(out.state) != spread_of(eval.state) ||
                   out.state.count != eval.state.count;
    };
    evaluate(in);
    // A size shows at once what it shows.
    const std::uint64_t steps = c.shape.size() > 65536 ? 1 : 3;
    for (std::uint64_t step = 0; step < steps; ++step) {
        Case next = c;
        next.seed = c.seed + step;
        next.kappa = 1 + static_cast<double>(step);
        const State before = in.state;
        in = draw(next);
        in.dy.clear();
        in.state = before;
        const truth::Result t = truth::evaluate(in);
        Bounds bounds = error_bounds(in, t, accumulation);
        add_state_rounding(bounds, in, t, implementation);
        if (c.count) add_update_roundings(bounds, in, t, accumulation);  // State is not a new one
        Outputs<double> out = run_forward(implementation, in);
        Problem by_channel = in.problem;
        by_channel.shape = {1, c.shape.C, 1};
        std::vector<Finding> moved;
        for (const Quantity which : {Quantity::running_mean, Quantity::running_spread}) {
            const QuantityRow& q = row_of(which);
            moved.push_back(
                compare(q.name_in(in.problem.spec), q.stored(by_channel), q.in(out), q.in(t), bounds.*q.bound));
        }
        faults::name_faults(moved, in, t, bounds, out, implementation);
        means.push_back(moved[0]), spreads.push_back(moved[1]);
        if (!out.saved.var.empty() && in.problem.slices() == 1) from_saved.push_back(by_saved(in, out, implementation));
        wrong_count += out.state.count != before.count + t.steps;
        in.state = truth::state_after(in, t);
        evaluate(in);
    }
    std::vector<Finding> all{worst(means), worst(spreads), measured("updates miscounted", wrong_count, 0)};
    if (!from_saved.empty()) all.push_back(worst(from_saved));
    if (!y.empty()) all.push_back(worst(y)), all.push_back(measured("State changed by evaluation", changed, 0));
    return all;
}

std::string fold_refuses(const Case& c) {
    if (c.spec().output) return "a y whose type is asked for cannot be folded";
    const std::string state = needs_state(c);
    return state.empty() ? needs_one_a_channel(c) : state;
}

std::vector<Finding> fold_equals_evaluation(const Case& c, const Implementation& implementation) {
    Inputs<double> in = draw(c);
    in.dy.clear();
    in.problem.mode = Mode::eval;
    const truth::Result t = truth::evaluate(in);
    const Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
    Inputs<double> params = in;  // fold reads parameters as f64 here: the values are the same
    const ChannelMap map = fold(
        in.problem.spec, in.state,
        {in.gamma.empty() ? nullptr : params.gamma.data(), in.beta.empty() ? nullptr : params.beta.data()}, DType::f64);
    const auto C = static_cast<std::size_t>(c.shape.C), S = static_cast<std::size_t>(c.shape.S);
    std::vector<double> y(in.x.size()), own(in.x.size());
    apply(map, {in.x.data(), DType::f64, in.problem.shape}, {y.data(), DType::f64, in.problem.shape});
    for (std::size_t i = 0; i < y.size(); ++i)  // f64 roundings: root, quotient, two products, two sums
        own[i] = 8 * unit_roundoff(DType::f64) *
                 (std::abs(map.scale[i / S % C] * in.x[i]) + std::abs(map.shift[i / S % C]) +
                  2 * std::abs(map.scale[i / S % C] * in.state.mean[i / S % C]));
    std::vector<double> both = own;
    for (std::size_t i = 0; i < both.size(); ++i) both[i] += bounds.y[i];
    const Outputs<double> out = run_forward(implementation, in);
    return {compare("folded map", in.problem, y, t.y, own),
            compare("evaluation by the folded map", in.problem, out.y, wides(y), both)};
}

// Algorithm 2 over four batches, of equal and of unequal sizes, against sums over all elements in quad.
std::vector<Finding> recalibrate_population(const Case& c, const Implementation& implementation) {
    if (const Saves saves = implementation.saves(); !saves.mean || !saves.var)
        throw Unsuitable(c.implementation + " does not save mean and variance");
    const Spec spec = c.spec();
    const auto accumulation = implementation.accumulation(c.dtype);
    const auto C = static_cast<std::size_t>(c.shape.C);
    std::vector<Finding> all;
    for (const bool equal : {true, false}) {
        std::vector<Inputs<double>> batches;
        std::vector<Quad> paper_mean(C), paper_spread(C), sum(C), squares(C), count(C);
        std::vector<double> mean_bound(C), spread_bound(C);
        double blocks = 0;
        for (std::uint64_t k = 0; k < 4; ++k) {
            Case one = c;
            one.seed = c.seed + k;
            one.shape.N += equal ? 0 : static_cast<std::int64_t>(k);
            Inputs<double> in = draw(one);
            in.dy.clear(), in.gamma.clear(), in.beta.clear();
            const truth::Result t = truth::evaluate(in);
            const Bounds bounds = error_bounds(in, t, accumulation);
            for (std::size_t b = 0; b < t.blocks.size(); ++b) {
                const truth::Block& block = t.blocks[b];
                const Quad m(static_cast<double>(block.elements.size()));
                paper_mean[b % C] += block.mean;
                paper_spread[b % C] += spec.running == Running::sigma               ? block.s
                                       : spec.running == Running::unbiased_variance ? block.var * m / (m - 1)
                                                                                    : block.var;
                for (std::size_t i : block.elements)
                    sum[b % C] += Quad(in.x[i]), squares[b % C] += Quad(in.x[i]) * Quad(in.x[i]);
                count[b % C] += m;
                // means enter the pooled variance too, each at most once by twice its distance from the rest
                const double s = static_cast<double>(block.s),
                             var = 2 * bounds.var[b] + 4 * bounds.mean[b] * s * (1 + block.kappa);
                mean_bound[b % C] = std::max(mean_bound[b % C], bounds.mean[b]);
                spread_bound[b % C] = std::max(spread_bound[b % C], spec.running == Running::sigma ? var / s : var);
            }
            blocks += static_cast<double>(t.blocks.size()) / static_cast<double>(C);
            batches.push_back(std::move(in));
        }
        std::vector<std::vector<std::byte>> memory;
        std::vector<ConstTensor> views;
        for (const Inputs<double>& in : batches) {
            memory.emplace_back(in.x.size() * size_of(c.dtype));
            for (std::size_t i = 0; i < in.x.size(); ++i)
                write_element(memory.back().data(), c.dtype, static_cast<std::int64_t>(i), in.x[i]);
            views.push_back({memory.back().data(), c.dtype, in.problem.shape});
        }
        for (const Average average : {Average::paper, Average::pooled}) {
            std::vector<Quad> mean(C), spread(C);
            for (std::size_t ch = 0; ch < C; ++ch) {
                // quad: nothing to lose at this size
                const Quad n = count[ch], pooled = squares[ch] / n - sum[ch] / n * (sum[ch] / n);
                mean[ch] = average == Average::paper ? paper_mean[ch] / Quad(blocks) : sum[ch] / n;
                spread[ch] = average == Average::paper                    ? paper_spread[ch] / Quad(blocks)
                             : spec.running == Running::sigma             ? Quad(sqrt(pooled + Quad(spec.eps)))
                             : spec.running == Running::unbiased_variance ? pooled * n / (n - 1)
                                                                          : pooled;
            }
            State state = recalibrate(spec, views, average, implementation);
            Problem by_channel = batches[0].problem;
            by_channel.shape = {1, c.shape.C, 1};
            const std::string label =
                fmt::format("{}, {} batches", average == Average::paper ? "paper's average" : "pooled",
                            equal ? "equal" : "unequal");
            all.push_back(compare("mean, " + label, by_channel, state.mean, wides(mean), mean_bound));
            all.push_back(compare("spread, " + label, by_channel, spread_of(state), wides(spread), spread_bound));
        }
    }
    return all;
}

std::vector<Case> recalibrate_cases(const Case& base, Tier tier) {
    std::vector<Case> cases = stateful_cases(base, tier);
    for (std::size_t n = cases.size(), i = 0; i < n; ++i) {
        cases.push_back(cases[i]);
        cases.back().running = Running::biased_variance;
    }
    return cases;
}

std::string recalibrate_refuses(const Case& c) {
    if (c.stat_batch) return "its batches are whole ones";
    return c.layout == Layout::channels_first ? needs_state(c) : "it hands over one view a batch, channels first";
}

std::string ghost_refuses(const Case& c) {
    if (const std::string reason = needs_one_a_channel(c); !reason.empty()) return reason;
    return !c.spec().block.samples || !may_keep_state(c.spec()) ? c.variant + " has no normalisation batch"
           : c.stat_batch == 0                                  ? "stat_batch is 0: there is one normalisation batch"
                                                                : "";
}

std::vector<Case> ghost_cases(const Case& base, Tier) {
    Case c = with_small_shape(base), masked = c;
    c.shape.N = masked.shape.N = 6, c.stat_batch = masked.stat_batch = 2, masked.mask = MaskPattern::tail;
    return {c, masked};
}

// One call with stat_batch against a call a slice, in order, the State carried along.
std::vector<Finding> ghost_batch(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const truth::Result t = truth::evaluate(in);
    Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
    const Outputs<double> whole = run(implementation, in);
    Outputs<double> parts;
    State state = in.state;
    parts.dgamma.assign(whole.dgamma.size(), 0), parts.dbeta.assign(whole.dbeta.size(), 0);
    const auto slices = static_cast<std::size_t>(in.problem.shape.N / c.stat_batch), length = in.x.size() / slices;
    for (std::size_t k = 0; k < slices; ++k) {
        Inputs<double> one = in;
        one.problem.shape.N = c.stat_batch;
        one.problem.spec.stat_batch = 0;
        const auto cut = [&](std::vector<double>& v) {
            const auto first = v.begin() + static_cast<std::ptrdiff_t>(k * length);
            v = std::vector<double>(first, first + static_cast<std::ptrdiff_t>(length));
        };
        cut(one.x), cut(one.dy);
        const std::size_t bytes = in.mask.size() / slices;
        const auto of_mask = in.mask.begin() + static_cast<std::ptrdiff_t>(k * bytes);
        one.mask.assign(of_mask, of_mask + static_cast<std::ptrdiff_t>(bytes));
        one.state = state;
        const Outputs<double> out = run(implementation, one);
        parts.y.insert(parts.y.end(), out.y.begin(), out.y.end());
        parts.dx.insert(parts.dx.end(), out.dx.begin(), out.dx.end());
        for (std::size_t ch = 0; ch < out.dgamma.size(); ++ch)
            parts.dgamma[ch] += out.dgamma[ch], parts.dbeta[ch] += out.dbeta[ch];
        const DType params = in.problem.params();  // each part is rounded to it
        for (const auto& [part, bound] : {std::pair(&out.dgamma, &bounds.dgamma), std::pair(&out.dbeta, &bounds.dbeta)})
            for (std::size_t ch = 0; is_narrow(params) && ch < part->size(); ++ch)
                (*bound)[ch] += storage_roundoff(params) * std::abs((*part)[ch]) + storage_underflow(params);
        state = out.state;
    }
    parts.state = state;
    Problem by_channel = in.problem;
    by_channel.shape = {1, c.shape.C, 1};
    const bool moved = !state.mean.empty() && c.mode == Mode::train;
    std::vector<Finding> all;
    for (const QuantityRow& q : quantities::results())
        if (q.is_of(in.problem) && (q.output || (!q.saved && moved)))
            all.push_back(compare(q.name, q.stored(q.output ? in.problem : by_channel), q.in(whole), wides(q.in(parts)),
                                  twice(bounds.*q.bound)));
    return all;
}

}  // namespace

extern const Check running_stats_check{
    "running_stats",
    "running mean and spread follow momentum, bias and order as documented; evaluation leaves them alone",
    false,
    needs_state,
    running_cases,
    running_stats};
extern const Check fold_check{
    "fold", "evaluation equals its folded affine map", false, fold_refuses, stateful_cases, fold_equals_evaluation};
extern const Check recalibrate_check{
    "recalibrate",
    "population statistics of a stream of batches: the paper's average and the pooled moments",
    false,
    recalibrate_refuses,
    recalibrate_cases,
    recalibrate_population};
extern const Check ghost_batch_check{"ghost_batch", "stat_batch gives what a call a slice gives, in order",
                                     false,         ghost_refuses,
                                     ghost_cases,   ghost_batch};

}  // namespace normlab::verify
