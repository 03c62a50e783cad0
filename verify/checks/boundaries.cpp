// NaN and infinities stay where they are; one value a channel and empty tensors have defined results.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/watched.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

// A NaN whose bits are all 1: who rounds it to 16 bits as a number, by an addition, makes -0 of it.
constexpr double full_nan = std::bit_cast<double>(~std::uint64_t{0} >> 1);

// --- isolation -------------------------------------------------------------------------------------------------------

std::vector<Case> isolation_cases(const Case& base, Tier tier) {
    if (repeats_training(with_state(base))) return {};
    std::vector<Case> cases{with_state(with_small_shape(base))};
    if (tier == Tier::smoke) return cases;
    const auto add = [&](const Shape& shape) {
        cases.push_back(cases[0]);
        cases.back().shape = shape;
        if (cases.back().groups) cases.back().groups = shape.C % 3 == 0 ? 3 : 1;
    };
    add({3, 37, 1}), add({2, 3, 65});
    add({1, 6, 3}), add({5, 1, 3}), add({300, 3, 2}), add({2, 3, 1031});  // other ways through a kernel
    cases.push_back(cases[0]), cases.back().affine = AffineUse::none;
    cases.push_back(cases[0]), cases.back().gamma.pattern = "zero";  // 0 times NaN
    cases.push_back(cases[0]), cases.back().dy.pattern = "zero";
    cases.push_back(cases[0]), cases.back().gamma_offset = 1;
    if (base.dtype == DType::f32 && base.layout == Layout::channels_first)
        for (const AffineSet set : other_sets) cases.push_back(cases[0]), cases.back().affine_set = set;
    cases.push_back(cases[0]), cases.back().residual = Residual::stored;
    if (!is_weights(base.spec())) {
        add({5, 6, 7}), cases.back().mask = MaskPattern::scattered;
        add({5, 6, 7}), cases.back().mask = MaskPattern::all;
    }
    if (base.dtype == DType::f32 && base.layout == Layout::channels_first)
        for (const Activation a :
             {Activation::relu, Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::threshold})
            cases.push_back(cases[0]), cases.back().activation = a;  // max(z, 0) may drop NaN
    if (base.mode == Mode::train && base.spec().block.samples && base.spec().correction == Correction::none &&
        may_keep_state(base.spec())) {
        add({6, 6, 3});
        cases.back().stat_batch = 2;
    }
    if (tier == Tier::full)
        for (const std::int64_t e : {2, 7, 8, 9, 15, 17, 33, 63, 129, 257, 1031})
            for (const Shape& shape : {Shape{3, e, 1}, Shape{2, 3, e}, Shape{e, 3, 2}}) add(shape);
    return cases;
}

// What may change, and what has to be no number any more: one of each value.
struct Reach {
    std::vector<bool> may, must;
    explicit Reach(std::size_t size) : may(size), must(size) {}
};

using Blocks = std::vector<std::vector<std::size_t>>;  // elements of each

// Those that the block's statistics are of: of a part, the first that count.
std::vector<bool> moving_statistics(const Inputs<double>& in, const Blocks& blocks) {
    std::vector<bool> moves(in.x.size());
    for (const auto& block : blocks) {
        const auto m = std::ranges::count_if(block, [&](std::size_t i) { return in.counts(i); });
        double left = in.problem.spec.part_of(static_cast<double>(m));
        for (const std::size_t i : block) moves[i] = in.counts(i) && left-- > 0;
    }
    return moves;
}

Finding confined(std::string_view quantity, const Problem& p, const std::vector<double>& got,
                 std::vector<double> before, const Reach& reach, const std::vector<double>& within) {
    Finding f{std::string(quantity)};
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (reach.must[i] && std::isfinite(got[i])) {
            const std::string at = std::ssize(got) == p.shape.size()     ? element_text(p, i)
                                   : std::ssize(got) == p.affine_count() ? entry_text(p, i)
                                                                         : fmt::format("c={}", i);
            return none_of(quantity, 1,
                           fmt::format("{}: {:.9g} where a NaN or infinity of its data should show", at, got[i]));
        }
        if (reach.may[i]) before[i] = got[i];
    }
    return same_values(quantity, p, got, before, within);
}

// One value of x, or of dy, is replaced. Where it may be seen follows from the formulas: of x, in y and dx of its
// block, dgamma of the block's entries and the running statistics of its channel; of dy, in dx of its block, dgamma
// and dbeta of its entry. Where statistics are of a part, x of another element is in y there alone, and dx of the
// others has no sum over the block: it is g times a rstd that an infinity of x makes 0.
std::vector<Finding> replaced(const Case& c, const Implementation& implementation, const Inputs<double>& in,
                              const Outputs<double>& out, const Blocks& blocks, std::size_t k, std::size_t at,
                              double value, bool in_x, const std::optional<Bounds>& within) {
    const Problem& p = in.problem;
    Inputs<double> bad = in;
    (in_x ? bad.x : bad.dy)[at] = value;
    const Outputs<double> got = run(implementation, bad);
    const auto size = in.x.size(), C = static_cast<std::size_t>(c.shape.C), S = static_cast<std::size_t>(c.shape.S),
               entries = static_cast<std::size_t>(p.affine_count()), entry = p.affine_entry(at);
    // With statistics given only the element itself is seen, and x in dx only where a kernel multiplies it by 0.
    const bool own = p.own_statistics();
    // In a centred block nothing stays finite; where the mean is not removed an infinity leaves x_hat = 0 to the
    // others.
    const bool zero_others = !p.spec.centred() && std::isinf(value);
    // Below a floor, where no mean is removed, dx has no sum over the block.
    const bool apart = !in_x && !p.spec.centred() && p.spec.has_floor();
    // Whether the value moves the statistics: in a part of a block, or in none, it may not.
    const std::vector<bool> moves = moving_statistics(in, blocks);
    const bool of_statistics = in_x && own && moves[at];
    // Where it does not, an infinity behind an activation may end in the limit 0.
    const bool has_limit = p.spec.activates() && !of_statistics && std::isinf(value);
    // Behind relu dz may be chosen, not multiplied: 0 where act' is 0, whatever dy is. Behind a threshold it is always
    // so, and dz of a z that is NaN may be 0, too.
    const bool chooses = p.spec.thresholds(), chosen = !in_x && (p.spec.activation == Activation::relu || chooses);
    // Behind an activation dz has what z has, so that dbeta sees x.
    const bool in_dbeta = !in_x || p.spec.activates();
    Reach y(size), dx(size), dgamma(entries), dbeta(entries), dtau(entries), s(size), state(C);
    s.may[at] = s.must[at] = in_x;  // with a residual, s has what x has there
    // What a mask leaves out sees nothing and shows in nothing but s.
    const bool counts = in.counts(at);
    const auto block_counts = std::ranges::count_if(blocks[k], [&](std::size_t i) { return in.counts(i); });
    // of a single element a variance may be 0, and of a running one nothing may be left, whatever it is
    const bool shows = counts && (in.mask.empty() || block_counts > 1);
    for (const std::size_t i : own ? blocks[k] : std::vector{at}) {
        if (!counts || !in.counts(i)) continue;
        if (own && !of_statistics && !moves[i] && i != at) continue;
        y.may[i] = in_x && (i == at || !own || of_statistics),
        y.must[i] = y.may[i] && shows && (i == at || !zero_others) && !has_limit;
        const bool summed = !own || moves[i] || (in_x ? of_statistics && !zero_others : i == at);
        dx.may[i] = true, dx.must[i] = shows && !chosen && summed && (apart ? i == at : own || !in_x);
        if (in_x && y.may[i]) dgamma.may[p.affine_entry(i)] = true;
        if (y.may[i] && p.spec.activates()) dbeta.may[p.affine_entry(i)] = true;
    }
    dgamma.may[entry] = counts, dgamma.must[entry] = shows && !chosen && !chooses;
    if (in_dbeta) dbeta.may[entry] = counts;
    dbeta.must[entry] = shows && !in_x && !chosen;
    if (chooses) dtau.may = dbeta.may;  // z may lie on the other side now, and NaN on neither
    if (in_x && p.mode == Mode::train) state.may[at / S % C] = counts, state.must[at / S % C] = shows;
    if (p.spec.centred() && own && in_x && counts && !got.saved.mean.empty()) {
        if (std::isfinite(got.saved.mean[k]))
            return {none_of("saved mean", 1,
                            fmt::format("{} at {} of x: saved mean {:.9g} of its block hides it", value,
                                        element_text(p, at), got.saved.mean[k]))};
    }
    std::vector<Finding> findings;
    const Reach* const reach[] = {&y, &dx, &dgamma, &dbeta, &s, &dx, &dtau};  // d_residual is as dx
    for (const QuantityRow& q : quantities::outputs(p))
        findings.push_back(confined(q.name, p, q.in(got), q.in(out), *reach[static_cast<std::size_t>(q.quantity)],
                                    tolerance_of(within, q.bound)));
    const auto kept = [&](const auto& after, const auto& before, auto bound) {
        return confined("running statistics", p, after, before, state, tolerance_of(within, bound));
    };
    findings.push_back(worst({kept(got.state.mean, out.state.mean, &Bounds::running_mean),
                              kept(spread_of(got.state), spread_of(out.state), &Bounds::running_spread)}));
    for (Finding& f : findings)
        if (f.verdict == Verdict::fail)
            f.where = fmt::format("{} at {} of {}: {}", value, element_text(p, at), in_x ? "x" : "dy", f.where);
    return findings;
}

// NaN in one entry of gamma, beta or tau: in y of its elements (gamma: in dx of all blocks that they are in, but below
// a floor, where no mean is removed, of the elements alone), and nowhere else. Behind an activation dz of the elements
// is NaN in both cases: the gradients have it, too. Behind a threshold or relu dz may be dy or 0 there: they may have
// it.
Finding in_parameter(const Implementation& implementation, const Inputs<double>& in, const Outputs<double>& out,
                     const Blocks& blocks, std::vector<double> Inputs<double>::*parameter, std::size_t entry,
                     const std::optional<Bounds>& within) {
    const Problem& p = in.problem;
    const bool in_gamma = parameter == &Inputs<double>::gamma,
               chosen = p.spec.thresholds() || p.spec.activation == Activation::relu;
    Inputs<double> bad = in;
    (bad.*parameter)[entry] = full_nan;
    const Outputs<double> got = run(implementation, bad);
    const auto size = in.x.size();
    const bool apart = !p.own_statistics() || (!p.spec.centred() && p.spec.has_floor());
    const bool activates = p.spec.activates();
    Reach y(size), dx(size), s(size), parameters(static_cast<std::size_t>(p.affine_count()));
    const auto uses = [&](std::size_t i) { return p.affine_entry(i) == entry && in.counts(i); };
    const std::vector<bool> moves = moving_statistics(in, blocks);
    for (std::size_t i = 0; i < size; ++i)
        if (uses(i)) {
            y.may[i] = y.must[i] = true;
            parameters.may[entry] = activates, parameters.must[entry] = activates && !chosen;
        }
    for (const auto& block : blocks) {
        bool met = false;
        for (const std::size_t i : block) met |= (in_gamma || activates) && uses(i);
        for (const std::size_t i : block)
            if (met && in.counts(i)) {
                dx.may[i] = (p.own_statistics() && moves[i]) || uses(i);
                dx.must[i] = in.mask.empty() && !chosen && ((!apart && moves[i]) || uses(i));
            }
    }
    const Reach* const reach[] = {&y, &dx, &parameters, &parameters, &s, &dx, &parameters};
    std::vector<Finding> findings;
    for (const QuantityRow& q : quantities::outputs(p))
        findings.push_back(confined("NaN in gamma or beta", p, q.in(got), q.in(out),
                                    *reach[static_cast<std::size_t>(q.quantity)], tolerance_of(within, q.bound)));
    Finding f = worst(findings);
    const std::string_view name = in_gamma ? "gamma" : parameter == &Inputs<double>::beta ? "beta" : "tau";
    if (f.verdict == Verdict::fail) f.where = fmt::format("{}[{}]: {}", name, entry, f.where);
    return f;
}

// NaN in the running statistics of a channel, where the call reads them: in y of the channel, and nowhere else.
Finding in_state(const Implementation& implementation, const Inputs<double>& in, const Outputs<double>& out,
                 const std::optional<Bounds>& within) {
    const Problem& p = in.problem;
    const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S), c = C / 2;
    Reach y(in.x.size());
    for (std::size_t i = 0; i < in.x.size(); ++i) {
        y.may[i] = i / S % C == c;
        y.must[i] = y.may[i] && in.counts(i);
    }
    std::vector<Finding> all;
    for (const bool in_mean : {true, false}) {
        if (!in_mean && p.own_statistics()) continue;  // a running sigma that r and d divide by is refused
        Inputs<double> bad = in;
        bad.dy.clear();
        (in_mean ? bad.state.mean : spread_of(bad.state))[c] = full_nan;
        all.push_back(confined("NaN in running statistics", p, run_forward(implementation, bad).y, out.y, y,
                               tolerance_of(within, &Bounds::y)));
        Finding& f = all.back();
        if (f.verdict == Verdict::fail)
            f.where = fmt::format("running {}[{}]: {}", in_mean ? "mean" : "spread", c, f.where);
    }
    return worst(all);
}

std::vector<Finding> isolation(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Outputs<double> out = run(implementation, in);
    const Blocks blocks = truth::index_sets(in.problem);
    const std::optional<Bounds> within = tolerance(implementation, in);
    Random random(c.seed, 6000);
    constexpr double inf = std::numeric_limits<double>::infinity();
    std::vector<std::vector<Finding>> by_quantity;
    const auto take = [&](const std::vector<Finding>& some) {
        by_quantity.resize(std::max(by_quantity.size(), some.size()));
        for (std::size_t q = 0; q < some.size(); ++q) by_quantity[q].push_back(some[q]);
    };
    for (const double value : {full_nan, inf, -inf})
        for (const bool in_x : {true, false}) {
            const auto k = static_cast<std::size_t>(random.integer(0, std::ssize(blocks) - 1));
            const std::size_t at = blocks[k][static_cast<std::size_t>(random.integer(0, std::ssize(blocks[k]) - 1))];
            take(replaced(c, implementation, in, out, blocks, k, at, value, in_x, within));
        }
    bool at_end = false;  // at the ends of blocks, beside others
    for (const std::size_t k : {std::size_t{1}, std::size_t{2}, std::size_t{3}, blocks.size() / 2, blocks.size() - 1}) {
        if (k >= blocks.size()) continue;
        const std::size_t at = at_end ? blocks[k].back() : blocks[k].front();
        take(replaced(c, implementation, in, out, blocks, k, at, full_nan, true, within));
        at_end = !at_end;
    }
    std::vector<Finding> findings;
    for (const auto& all : by_quantity) findings.push_back(worst(all));
    const auto entry = static_cast<std::size_t>(random.integer(0, in.problem.affine_count() - 1));
    std::vector<Finding> of_parameters;
    for (const auto parameter : {&Inputs<double>::gamma, &Inputs<double>::beta, &Inputs<double>::tau})
        if (!(in.*parameter).empty())
            of_parameters.push_back(in_parameter(implementation, in, out, blocks, parameter, entry, within));
    if (!of_parameters.empty()) findings.push_back(worst(of_parameters));
    const Spec& spec = in.problem.spec;
    const bool clips_all = spec.r_max == 1 || spec.d_max == 0;  // who clips to one number need not look
    if (spec.running != Running::none && (!in.problem.own_statistics() || (in.problem.has_correction() && !clips_all)))
        findings.push_back(in_state(implementation, in, out, within));
    return findings;
}

// --- refusal ---------------------------------------------------------------------------------------------------------

std::vector<Finding> refusal(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Spec& spec = in.problem.spec;
    std::vector<Finding> findings;
    const auto refuses = [&](std::string_view quantity, auto change) {
        Inputs<double> wrong = in;
        change(wrong);
        const Problem& p = wrong.problem;
        findings.push_back(refused(quantity, p, wrong.state, [&](ConstTensor x, State& state, Tensor y) {
            Saved saved;
            forward(p.spec, p.mode, x, {}, &state, saved, y, implementation);
        }));
    };
    refuses("negative eps", [](auto& w) { w.problem.spec.eps = -1e-5; });
    refuses("NaN eps", [](auto& w) { w.problem.spec.eps = std::nan(""); });
    if (spec.groups > 1)
        refuses("C not a multiple of G", [](auto& w) { w.problem.shape.C = w.problem.spec.groups + 1; });
    if (spec.running != Running::none)
        refuses("State of another size", [](auto& w) {
            for (std::vector<double>* kept : {&w.state.mean, &w.state.var, &w.state.sigma})
                if (!kept->empty()) return kept->pop_back();
        });
    if (spec.divisor == Divisor::less_one)
        refuses("one element a block", [](auto& w) { w.problem.shape = {1, w.problem.shape.C, 1}; });
    if (may_keep_state(spec) && c.mode == Mode::train) {
        refuses("one value a channel", [](auto& w) {
            w.problem.shape = {w.problem.spec.block.samples ? 1 : 3, w.problem.shape.C, 1};
        });
        if (spec.block.samples)
            refuses("one value a slice", [](auto& w) {
                w.problem.shape = {4, w.problem.shape.C, 1}, w.problem.spec.stat_batch = 1;
            });
    }
    if (spec.centred() && spec.block.channels) {  // one element a block is fine: x_hat = 0
        Case one = c;
        one.shape = {3, 1, 1};
        if (one.groups) one.groups = 1;
        if (!is_valid(one)) return findings;
        const Inputs<double> single = draw(one);
        const double beta = single.beta.empty() ? 0 : single.beta[0];
        const Outputs<double> out = run(implementation, single);
        findings.push_back(
            same_values("y of one element", single.problem, out.y, std::vector<double>(3, rounded(beta, c.dtype))));
        // g - mean(g) is 0 but for the rounding of gamma dy, which a fused multiply-add leaves out on one side
        const truth::Result t = truth::evaluate(single);
        findings.push_back(compare("dx of one element", single.problem, out.dx, t.dx,
                                   error_bounds(single, t, implementation.accumulation(c.dtype)).dx));
    }
    return findings;
}

std::vector<Case> one_case(const Case& base, Tier) {
    return repeats_training(with_state(base)) ? std::vector<Case>{} : std::vector{with_state(with_small_shape(base))};
}

// --- empty -----------------------------------------------------------------------------------------------------------

std::vector<Case> empty_cases(const Case& base, Tier) {
    std::vector<Case> cases;
    for (const Shape& shape : {Shape{0, 6, 3}, Shape{4, 6, 0}, Shape{4, 0, 3}, Shape{0, 0, 0}}) {
        cases.push_back(with_state(base));
        cases.back().shape = shape;
    }
    return cases;
}

std::string isolation_refuses(const Case& c) {
    return c.stat_batch && c.spec().correction == Correction::renorm
               ? "running statistics carry a slice's value to the slices after it"
               : "";
}

std::string empty_refuses(const Case& c) { return c.shape.size() == 0 ? "" : "it looks at empty tensors"; }

// Through norm.hpp, and through an Operation in watched memory.
std::vector<Finding> empty(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Problem& p = in.problem;
    const DType params = p.params();
    const auto entries = static_cast<std::size_t>(p.affine_count());
    std::vector<std::byte> dgamma(entries * size_of(params), std::byte{nan_poison}), dbeta = dgamma;
    State state = in.state;
    Saved saved;
    const Tensor nothing{nullptr, p.dtype, p.shape, p.layout};
    forward(p.spec, p.mode, nothing, {}, p.spec.running == Running::none ? nullptr : &state, saved, nothing,
            implementation);
    backward(p.spec, p.mode, nothing, nothing, {}, saved, {nothing, dgamma.data(), dbeta.data()}, implementation);
    const WatchedRun watched = run_watched(implementation, in);

    const std::vector<std::byte> zeros(entries * size_of(params));
    std::vector<Array> got{{"dgamma", params, dgamma}, {"dbeta", params, dbeta}},
        expected{{"dgamma", params, zeros}, {"dbeta", params, zeros}};
    for (const Array& a : watched.results)
        if (a.name == "dgamma" || a.name == "dbeta") got.push_back(a), expected.push_back({a.name, params, zeros});
    const auto bytes = [](const std::vector<double>& v) {
        const auto* b = reinterpret_cast<const std::byte*>(v.data());
        return std::vector<std::byte>(b, b + v.size() * sizeof(double));
    };
    const auto arrays_of = [&](const State& s) {
        std::vector<Array> arrays;
        for (const StateArray& a : state_arrays)
            arrays.push_back({std::string(a.name), DType::f64, bytes(s.*a.values)});
        arrays.push_back({"count", DType::f64, bytes({static_cast<double>(s.count)})});
        return arrays;
    };
    std::vector<Array> after = arrays_of(state), before = arrays_of(in.state);
    for (std::size_t k = 0, known = before.size(); k < known; ++k)
        for (const Array& a : watched.results)
            if (a.name == before[k].name) after.push_back(a), before.push_back(before[k]);
    return {same_bits("dgamma and dbeta", p, got, expected), same_bits("State", p, after, before),
            none_of("memory", watched.breaches.size(), watched.breaches.empty() ? "" : watched.breaches[0].what)};
}

}  // namespace

extern const Check isolation_check{
    "isolation",
    "NaN and infinities spoil their own block, the sums over it and its channel's running statistics, and nothing else",
    false,
    isolation_refuses,
    isolation_cases,
    isolation,
    true,
    false,
    true};
extern const Check refusal_check{"refusal",
                                 "what has no result is refused and nothing written; one element a block, its mean "
                                 "removed, gives y = beta and dx = 0",
                                 false,
                                 always,
                                 one_case,
                                 refusal};
extern const Check empty_check{"empty",     "an empty tensor has zero dgamma and dbeta and leaves State alone",
                               false,       empty_refuses,
                               empty_cases, empty};

}  // namespace normlab::verify
