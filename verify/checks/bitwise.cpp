// Equalities that hold to the last bit: permutations, exact sums, other samples in the batch. No tolerance, but where
// sums are taken in another order: there the bounds of accuracy.

#include <array>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/exact.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

// --- permutation -----------------------------------------------------------------------------------------------------

using Order = std::vector<std::size_t>;

Order identity(std::size_t n) {
    Order order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    return order;
}

Order shuffled(std::size_t n, Random& random) {
    Order order = identity(n);
    for (std::size_t i = n; i > 1; --i)
        std::swap(order[i - 1], order[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(i) - 1))]);
    return order;
}

template <class T>
std::vector<T> in_order(const std::vector<T>& v, const Order& order) {
    std::vector<T> out;
    if (!v.empty())
        for (std::size_t i : order) out.push_back(v[i]);
    return out;
}

// The order of the elements that orders of samples and channels give.
Order elements_in_order(const Shape& shape, const Order& samples, const Order& channels) {
    Order order;
    const auto S = static_cast<std::size_t>(shape.S);
    for (std::size_t n : samples)
        for (std::size_t c : channels)
            for (std::size_t s = 0; s < S; ++s) order.push_back((n * channels.size() + c) * S + s);
    return order;
}

// The order of the entries of gamma and beta that an order of elements gives.
Order entries_in_order(const Problem& p, const Order& elements) {
    Order order(static_cast<std::size_t>(p.affine_count()));
    for (std::size_t i = 0; i < elements.size(); ++i) order[p.affine_entry(i)] = p.affine_entry(elements[i]);
    return order;
}

State in_order(const State& s, const Order& channels) {
    State moved{.count = s.count};
    for (const StateArray& a : state_arrays) moved.*a.values = in_order(s.*a.values, channels);
    return moved;
}

std::vector<Finding> whole_blocks(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Problem& p = in.problem;
    const Axes block = p.own_statistics() ? p.spec.block : Axes{};
    Random random(c.seed, 4000);
    const auto N = static_cast<std::size_t>(c.shape.N), C = static_cast<std::size_t>(c.shape.C);
    const Order samples = block.samples ? identity(N) : shuffled(N, random),
                channels = block.channels || block.groups ? identity(C) : shuffled(C, random);
    const Order elements = elements_in_order(c.shape, samples, channels), entries = entries_in_order(p, elements);
    Inputs<double> moved = in;
    moved.x = in_order(in.x, elements), moved.dy = in_order(in.dy, elements);
    moved.mask = in_order(in.mask, elements_in_order({c.shape.N, 1, c.shape.S}, samples, identity(1)));
    moved.gamma = in_order(in.gamma, entries), moved.beta = in_order(in.beta, entries);
    moved.tau = in_order(in.tau, entries);
    moved.state = in_order(in.state, channels);
    const Outputs<double> out = run(implementation, in), got = run(implementation, moved);
    // sums over an entry are sums inside its block, or else taken in another order: within their bounds
    const bool inside = block.samples && p.spec.affine_set != AffineSet::group;
    const Bounds bounds =
        inside ? Bounds{} : error_bounds(in, truth::evaluate(in), implementation.accumulation(c.dtype));
    const std::optional<Bounds> within = tolerance(implementation, in);
    const auto same = [&](const QuantityRow& q, const std::vector<double>& expected, const Order& order) {
        return same_values(q.name, p, q.in(got), expected, in_order(tolerance_of(within, q.bound), order));
    };
    std::vector<Finding> findings;
    for (const QuantityRow& q : quantities::outputs()) {
        const Order& order = q.per == Per::element ? elements : entries;
        const std::vector<double> expected = in_order(q.in(out), order);
        findings.push_back(q.per == Per::element || inside ? same(q, expected, order)
                                                           : compare(q.name, p, q.in(got), wides(expected),
                                                                     in_order(twice(bounds.*q.bound), order)));
    }
    if (!block.samples) return findings;
    for (const Quantity which : {Quantity::running_mean, Quantity::running_spread}) {
        const QuantityRow& q = row_of(which);
        findings.push_back(same(q, in_order(q.in(out), channels), channels));
    }
    return findings;
}

// Data whose sums are exact may stand in any order inside a block.
Finding within_blocks(const Case& c, const Implementation& implementation) {
    Inputs<double> in = draw(c);
    in.gamma.clear(), in.beta.clear(), in.dy.clear();
    Order elements = identity(in.x.size());
    Random random(c.seed, 5000);
    for (const auto& block : truth::index_sets(in.problem)) {
        const Order order = shuffled(block.size(), random);
        for (std::size_t k = 0; k < block.size(); ++k) elements[block[k]] = block[order[k]];
    }
    Inputs<double> moved = in;
    moved.x = in_order(in.x, elements);
    const Outputs<double> out = run_forward(implementation, in), got = run_forward(implementation, moved);
    const truth::Result t = truth::evaluate(in);
    const auto exact = [&](const Saved& saved) {
        if (saved.mean.empty() || saved.var.empty()) return false;  // not saved: who knows
        for (std::size_t b = 0; b < t.blocks.size(); ++b)
            if (Quad(saved.mean[b]) != t.blocks[b].mean || Quad(saved.var[b]) != t.blocks[b].var) return false;
        return true;
    };
    if (exact(out.saved) && exact(got.saved) && implementation.deterministic())
        return same_values("y within blocks", in.problem, got.y, in_order(out.y, elements));
    const std::vector<double> bound = twice(error_bounds(in, t, implementation.accumulation(c.dtype)).y);
    Finding f =
        compare("y within blocks", in.problem, got.y, wides(in_order(out.y, elements)), in_order(bound, elements));
    f.note = "its sums of these data are not exact: within the bound";
    return f;
}

bool sums_are_exact(const Case& c) { return c.x.pattern == "grid" || c.x.pattern == "pairs"; }

std::vector<Finding> permutation(const Case& c, const Implementation& implementation) {
    std::vector<Finding> findings = whole_blocks(c, implementation);
    const bool whole = c.mask == MaskPattern::none && !c.spec().is_partial();
    if (sums_are_exact(c) && c.problem().own_statistics() && whole)
        findings.push_back(within_blocks(c, implementation));
    return findings;
}

std::string permutation_refuses(const Case& c) {
    return c.spec().stat_batch && c.mode == Mode::train ? "samples of a normalisation batch stay together" : "";
}

std::vector<Case> permutation_cases(const Case& base, Tier tier) {
    if (repeats_training(with_state(base))) return {};
    std::vector<Case> cases;
    const auto add = [&](const Shape& shape, const char* x) {
        cases.push_back(with_shape(base, shape));
        cases.back().x.pattern = x;
        if (cases.back().groups) cases.back().groups = shape.C % 3 == 0 ? 3 : 1;
    };
    add({5, 21, 3}, "normal");
    if (tier == Tier::smoke) return cases;
    if (!is_weights(base.spec())) add({5, 21, 3}, "normal"), cases.back().mask = MaskPattern::scattered;
    add({4, 37, 1}, "normal"), add({19, 3, 7}, "normal");
    if (base.mode == Mode::train)
        for (const char* x : {"grid", "pairs"}) {
            cases.push_back(with_block(base, 64));
            cases.back().x.pattern = x;
        }
    if (tier == Tier::full)
        for (const std::int64_t e : {2, 7, 8, 9, 15, 17, 31, 33, 63, 65, 127, 129, 257})
            for (const Shape& shape : {Shape{3, e, 1}, Shape{3, e, 5}, Shape{e, 6, 2}, Shape{2, 3, e}})
                add(shape, "normal");
    return cases;
}

// --- batch_independence ----------------------------------------------------------------------------------------------

std::string independence_refuses(const Case& c) {
    if (c.shape.N < 3) return "it takes samples out of three or more";
    if (c.problem().own_statistics() && c.spec().block.samples) return "samples share their statistics";
    if (c.spec().quantizes() && c.spec().scale == Scale::block && c.spec().block.samples)
        return "samples share the scale of y";
    return c.mode == Mode::train && c.spec().running != Running::none ? "State depends on all samples" : "";
}

std::vector<Case> independence_cases(const Case& base, Tier tier) {
    if (repeats_training(with_state(base))) return {};
    std::vector<Case> cases;
    std::vector<std::pair<std::int64_t, std::int64_t>> sizes{{6, 3}};
    if (tier != Tier::smoke) sizes.insert(sizes.end(), {{15, 1}, {3, 33}});
    if (tier == Tier::full) sizes.insert(sizes.end(), {{1, 9}, {129, 1}, {6, 257}, {66, 17}, {3, 1031}});
    for (const auto& [C, S] : sizes) {
        cases.push_back(with_small_shape(base.mode == Mode::eval ? with_state(base) : base));
        cases.back().shape = {tier == Tier::smoke || C * S > 256 ? 17 : 256, C, S};
        if (cases.back().groups && C == 1) cases.back().groups = 1;
    }
    if (tier != Tier::smoke && !is_weights(base.spec()))
        cases.push_back(cases[0]), cases.back().mask = MaskPattern::tail;
    if (tier != Tier::smoke && arithmetic_dtype(base.dtype) == DType::f32)
        cases.push_back(cases[0]), cases.back().output = DType::e4m3, cases.back().scale = Scale::channels;
    return cases;
}

std::vector<Finding> batch_independence(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Outputs<double> all = run(implementation, in);
    const std::int64_t N = c.shape.N, row = c.shape.C * c.shape.S;
    const std::optional<Bounds> within = tolerance(implementation, in);
    if (within && in.problem.spec.quantizes()) throw Unsuitable("the bounds are of y before it is rounded to 8 bits");
    constexpr std::array by_element{Quantity::y, Quantity::dx};
    std::array<std::vector<Finding>, by_element.size()> findings;
    for (const std::int64_t B : {std::int64_t{1}, std::int64_t{3}, N / 2, N - 1})
        for (const std::int64_t first : {std::int64_t{0}, (N - B) / 2, N - B}) {
            if (B < 1 || first < 0) continue;
            const auto rows = [&](const std::vector<double>& v) {
                return std::vector<double>(v.begin() + first * row, v.begin() + (first + B) * row);
            };
            Inputs<double> some = in;
            some.problem.shape.N = B;
            some.x = rows(in.x), some.dy = rows(in.dy);
            if (!in.residual.empty()) some.residual = rows(in.residual);
            if (!in.ds.empty()) some.ds = rows(in.ds);
            if (!in.mask.empty())
                some.mask = {in.mask.begin() + first * c.shape.S, in.mask.begin() + (first + B) * c.shape.S};
            if (in.problem.spec.affine_set == AffineSet::sample_channel)
                for (std::vector<double>* v : {&some.gamma, &some.beta, &some.tau})
                    if (!v->empty()) *v = {v->begin() + first * c.shape.C, v->begin() + (first + B) * c.shape.C};
            const Outputs<double> got = run(implementation, some);
            for (std::size_t k = 0; k < by_element.size(); ++k) {
                const QuantityRow& q = row_of(by_element[k]);
                findings[k].push_back(same_values(q.name, some.problem, q.in(got), rows(q.in(all)),
                                                  within ? rows(*within.*q.bound) : std::vector<double>()));
                Finding& f = findings[k].back();
                if (f.verdict == Verdict::fail)
                    f.where = fmt::format("samples {} to {} alone: {}", first, first + B - 1, f.where);
            }
        }
    return {worst(findings[0]), worst(findings[1])};
}

}  // namespace

extern const Check permutation_check{
    "permutation",
    "whole blocks in another order, and elements of a block whose sums are exact: the same bits in that order",
    false,
    permutation_refuses,
    permutation_cases,
    permutation,
    false,
    false,
    true};
extern const Check batch_independence_check{"batch_independence",
                                            "y and dx of a sample do not depend on the batch it is in, bit for bit",
                                            false,
                                            independence_refuses,
                                            independence_cases,
                                            batch_independence,
                                            true,
                                            true,
                                            true,
                                            true};

}  // namespace normlab::verify
