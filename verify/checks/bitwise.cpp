// Equalities that hold to the last bit: powers of two, permutations, exact sums, other samples in the batch. No
// tolerance, but where sums are taken in another order: there the bounds of accuracy.

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/watched.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

// --- power_of_two ----------------------------------------------------------------------------------------------------

// got * factor against expected. Left out, and counted: values that are subnormal, zero by underflow or infinite in
// their type on either side.
Finding scaled_values(std::string_view quantity, const Problem& p, DType dtype, std::vector<double> got, double factor,
                      std::vector<double> expected, std::size_t& left_out) {
    const auto outside = [dtype](double v) {
        return v != 0 && (std::abs(v) <= row_of(dtype).smallest_normal || std::abs(v) > row_of(dtype).largest);
    };
    for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
        got[i] *= factor;
        if (got[i] == expected[i] ||
            !(outside(expected[i]) || outside(expected[i] / factor) || (expected[i] == 0 && outside(got[i]))))
            continue;
        got[i] = expected[i] = 0;
        ++left_out;
    }
    return same_values(quantity, p, got, expected);
}

std::string power_refuses(const Case& c) {
    if (c.dy.pattern == "normal" || c.dy.pattern == "grid" || c.dy.pattern.empty()) return {};
    return "dx is what cancellation leaves of this dy, whose terms underflow when scaled";
}

std::vector<Finding> power_of_two(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Problem& p = in.problem;
    const Outputs<double> out = run(implementation, in);
    const double least = c.dtype == DType::f64 ? 0x1p-400 : 0x1p-40;
    if (std::ranges::any_of(in.x, [&](double v) { return v != 0 && (std::abs(v) < least || std::abs(v) > 1 / least); }))
        throw Unsuitable(
            fmt::format("sums or squares of these x under- or overflow when scaled; |x| between {:.0e} and {:.0e}, or "
                        "0, is accepted",
                        least, 1 / least));
    std::vector<std::vector<Finding>> by_power;
    std::size_t left_out = 0;
    for (const int k : {-20, -9, -4, -1, 1, 3, 6, 16, 30}) {
        // 1 / s^3 stays normal
        const double a = std::ldexp(1.0, k), widest = c.dtype == DType::f64 ? 0x1p300 : 0x1p36;
        if (std::ranges::any_of(out.saved.rstd,
                                [&](double rstd) { return rstd > 0 && (a / rstd > widest || a / rstd < 1 / widest); }))
            continue;
        Inputs<double> scaled = in;
        for (double& v : scaled.x) v *= a;
        // not exact in 16 bits
        if (std::ranges::any_of(scaled.x, [&](double v) { return rounded(v, c.dtype) != v; })) continue;
        scaled.problem.spec.eps *= a * a;
        for (double& v : scaled.state.mean) v *= a;
        for (double& v : scaled.state.sigma) v *= a;
        for (double& v : scaled.state.var) v *= a * a;
        const Outputs<double> got = run(implementation, scaled);
        const auto judge = [&](std::string_view quantity, DType dtype, const auto& values, double factor,
                               const auto& expected) {
            Finding f = scaled_values(quantity, p, dtype, values, factor, expected, left_out);
            if (f.verdict == Verdict::fail) f.where = fmt::format("k={} {}", k, f.where);
            return f;
        };
        std::vector<Finding>& one = by_power.emplace_back();
        for (const auto rows : {quantities::outputs(), quantities::saved()})
            for (const QuantityRow& q : rows)
                one.push_back(judge(q.name, q.dtype(c.dtype), q.in(got), std::ldexp(1.0, -q.degree * k), q.in(out)));
        one.push_back(judge("running mean", DType::f64, got.state.mean, 1 / a, out.state.mean));
        one.push_back(judge("running var", DType::f64, got.state.var, 1 / (a * a), out.state.var));
        one.push_back(judge("running sigma", DType::f64, got.state.sigma, 1 / a, out.state.sigma));
    }
    if (by_power.empty())
        throw Unsuitable(
            fmt::format("no power of two scales these x exactly, and 1 / s^3 into the range, of {}", name_of(c.dtype)));
    std::vector<Finding> findings;
    for (std::size_t q = 0; q < by_power[0].size(); ++q) {
        std::vector<Finding> one;
        for (const auto& power : by_power) one.push_back(power[q]);
        findings.push_back(worst(one));
    }
    findings[0].note =
        fmt::format("{} powers; {} values left out as subnormal, underflowed or infinite", by_power.size(), left_out);
    return findings;
}

std::vector<Case> power_cases(const Case& base, Tier tier) {
    if (repeats_training(with_state(base))) return {};
    std::vector<Case> cases{with_state(with_small_shape(base))};
    if (is_narrow(base.dtype)) cases[0].x.pattern = "grid";  // scales exactly where normal deviates near 0 do not
    if (tier == Tier::smoke) return cases;
    const auto add = [&](auto change) {
        cases.push_back(cases[0]);
        change(cases.back());
    };
    add([](Case& c) { c.eps = 0; });
    add([](Case& c) { c.sigma = 0.0078125; });  // a variance of about 6 eps
    add([](Case& c) { c.state = StateKind::far; });
    for (const std::int64_t m : {65, 257}) add([m](Case& c) { c = with_block(c, m); });
    if (tier == Tier::full)
        for (std::uint64_t seed = 2; seed < 6; ++seed)
            for (const std::int64_t m : {8, 64, 1031, 4099}) add([=](Case& c) { c = with_block(c, m), c.seed = seed; });
    return cases;
}

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

// Of elements, from those of samples and channels.
Order elements_in_order(const Shape& shape, const Order& samples, const Order& channels) {
    Order order;
    const auto S = static_cast<std::size_t>(shape.S);
    for (std::size_t n : samples)
        for (std::size_t c : channels)
            for (std::size_t s = 0; s < S; ++s) order.push_back((n * channels.size() + c) * S + s);
    return order;
}

State in_order(const State& s, const Order& channels) {
    return {in_order(s.mean, channels), in_order(s.var, channels), in_order(s.sigma, channels), s.count};
}

std::vector<Finding> whole_blocks(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Problem& p = in.problem;
    const Axes block = p.own_statistics() ? p.spec.block : Axes{};
    Random random(c.seed, 4000);
    const auto N = static_cast<std::size_t>(c.shape.N), C = static_cast<std::size_t>(c.shape.C);
    const Order samples = block.samples ? identity(N) : shuffled(N, random),
                channels = block.channels || block.groups ? identity(C) : shuffled(C, random);
    const Order elements = elements_in_order(c.shape, samples, channels);
    Inputs<double> moved = in;
    moved.x = in_order(in.x, elements), moved.dy = in_order(in.dy, elements);
    moved.gamma = in_order(in.gamma, channels), moved.beta = in_order(in.beta, channels);
    moved.state = in_order(in.state, channels);
    const Outputs<double> out = run(implementation, in), got = run(implementation, moved);
    // sums over a channel are sums inside its block, or else taken in another order: within their bounds
    const Bounds bounds =
        block.samples ? Bounds{} : error_bounds(in, truth::evaluate(in), implementation.accumulation(c.dtype));
    std::vector<Finding> findings;
    for (const QuantityRow& q : quantities::outputs()) {
        const Order& order = q.per == Per::element ? elements : channels;
        const std::vector<double> expected = in_order(q.in(out), order);
        findings.push_back(q.per == Per::element || block.samples ? same_values(q.name, p, q.in(got), expected)
                                                                  : compare(q.name, p, q.in(got), quads(expected),
                                                                            in_order(twice(bounds.*q.bound), order)));
    }
    if (!block.samples) return findings;
    for (const Quantity which : {Quantity::running_mean, Quantity::running_spread}) {
        const QuantityRow& q = row_of(which);
        findings.push_back(same_values(q.name, p, q.in(got), in_order(q.in(out), channels)));
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
    if (exact(out.saved) && exact(got.saved))
        return same_values("y within blocks", in.problem, got.y, in_order(out.y, elements));
    const std::vector<double> bound = twice(error_bounds(in, t, implementation.accumulation(c.dtype)).y);
    Finding f =
        compare("y within blocks", in.problem, got.y, quads(in_order(out.y, elements)), in_order(bound, elements));
    f.note = "its sums of these data are not exact: within the bound";
    return f;
}

bool sums_are_exact(const Case& c) { return c.x.pattern == "grid" || c.x.pattern == "pairs"; }

std::vector<Finding> permutation(const Case& c, const Implementation& implementation) {
    std::vector<Finding> findings = whole_blocks(c, implementation);
    if (sums_are_exact(c) && c.problem().own_statistics()) findings.push_back(within_blocks(c, implementation));
    return findings;
}

std::string permutation_refuses(const Case& c) {
    return c.spec().stat_batch && c.mode == Mode::train ? "samples of a normalisation batch stay together" : "";
}

std::vector<Case> permutation_cases(const Case& base, Tier tier) {
    if (repeats_training(with_state(base))) return {};
    std::vector<Case> cases;
    const auto add = [&](const Shape& shape, const char* x) {
        cases.push_back(with_state(with_small_shape(base)));
        cases.back().shape = shape;
        cases.back().x.pattern = x;
        if (cases.back().groups) cases.back().groups = shape.C % 3 == 0 ? 3 : 1;
    };
    add({5, 21, 3}, "normal");
    if (tier == Tier::smoke) return cases;
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
    return cases;
}

std::vector<Finding> batch_independence(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Outputs<double> all = run(implementation, in);
    const std::int64_t N = c.shape.N, row = c.shape.C * c.shape.S;
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
            const Outputs<double> got = run(implementation, some);
            for (std::size_t k = 0; k < by_element.size(); ++k) {
                const QuantityRow& q = row_of(by_element[k]);
                findings[k].push_back(same_values(q.name, some.problem, q.in(got), rows(q.in(all))));
                Finding& f = findings[k].back();
                if (f.verdict == Verdict::fail)
                    f.where = fmt::format("samples {} to {} alone: {}", first, first + B - 1, f.where);
            }
        }
    return {worst(findings[0]), worst(findings[1])};
}

}  // namespace

extern const Check power_of_two_check{"power_of_two", "f(2^k x; 4^k eps) = f(x; eps) and 2^k dx of it, bit for bit",
                                      false,          power_refuses,
                                      power_cases,    power_of_two};
extern const Check permutation_check{
    "permutation",
    "whole blocks in another order, and elements of a block whose sums are exact: the same bits in that order",
    false,
    permutation_refuses,
    permutation_cases,
    permutation};
extern const Check batch_independence_check{"batch_independence",
                                            "y and dx of a sample do not depend on the batch it is in, bit for bit",
                                            false,
                                            independence_refuses,
                                            independence_cases,
                                            batch_independence};

}  // namespace normlab::verify
