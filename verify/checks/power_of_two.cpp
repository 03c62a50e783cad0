// An equality that holds to the last bit: what is scaled by powers of two.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/check/exact.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

// got * factor against expected. Left out, and counted: values that are subnormal, zero by underflow or infinite in
// their type on either side.
Finding scaled_values(std::string_view quantity, const Problem& p, DType dtype, std::vector<double> got, double factor,
                      std::vector<double> expected, const std::vector<double>& within, std::size_t& left_out) {
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
    return same_values(quantity, p, got, expected, within);
}

std::string power_refuses(const Case& c) {
    if (c.dy.pattern == "normal" || c.dy.pattern == "grid" || c.dy.pattern.empty()) return {};
    return "dx is what cancellation leaves of this dy, whose terms underflow when scaled";
}

std::vector<Finding> power_of_two(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const Problem& p = in.problem;
    const Outputs<double> out = run(implementation, in);
    const std::optional<Bounds> within = tolerance(implementation, in);
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
        scaled.problem.spec.eps *= std::pow(a, in.problem.spec.eps_degree());
        for (const StateArray& array : state_arrays)
            for (double& v : scaled.state.*array.values) v *= std::ldexp(1.0, array.degree * k);
        const Outputs<double> got = run(implementation, scaled);
        const auto judge = [&](std::string_view quantity, const QuantityRow& q, const auto& values, double factor,
                               const auto& expected) {
            Finding f = scaled_values(quantity, p, q.dtype(p), values, factor, expected, tolerance_of(within, q.bound),
                                      left_out);
            if (f.verdict == Verdict::fail) f.where = fmt::format("k={} {}", k, f.where);
            return f;
        };
        std::vector<Finding>& one = by_power.emplace_back();
        for (const auto rows : {quantities::outputs(), quantities::saved()})
            for (const QuantityRow& q : rows)
                one.push_back(judge(q.name, q, q.in(got), std::ldexp(1.0, -q.degree * k), q.in(out)));
        for (const StateArray& array : state_arrays)
            one.push_back(judge(array.name, row_of(array.quantity), got.state.*array.values,
                                std::ldexp(1.0, -array.degree * k), out.state.*array.values));
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

}  // namespace

extern const Check power_of_two_check{"power_of_two", "f(2^k x; 4^k eps) = f(x; eps) and 2^k dx of it, bit for bit",
                                      false,          power_refuses,
                                      power_cases,    power_of_two};

}  // namespace normlab::verify
