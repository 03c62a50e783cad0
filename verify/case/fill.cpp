#include "verify/case/fill.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "system/random.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {
namespace {

// The next value of the dtype above v.
double next_above(double v, DType dtype) {
    for (double step = std::max(std::abs(v), 1e-30) * 0x1p-54;; step *= 2)
        if (const double next = rounded(v + step, dtype); next > v) return next;
}

// Where formats have their edges: zeros of both signs, subnormals, the smallest normal number, neighbours of 1, powers
// of two.
double edge(DType dtype, Random& random) {
    const double normal = row_of(dtype).smallest_normal;
    const double sign = random.integer(0, 1) ? 1 : -1;
    switch (random.integer(0, 5)) {
        case 0: return sign * 0.0;
        case 1: return sign * normal / 4;
        case 2: return sign * normal;
        case 3: return sign;
        case 4: return sign * next_above(1, dtype);
        default: return std::ldexp(sign, static_cast<int>(random.integer(-8, 8)));
    }
}

std::vector<double> drawn_or_given(const Values& values, std::vector<double> drawn, DType dtype) {
    if (values.given.empty() || drawn.empty()) return drawn;
    if (values.given.size() != drawn.size())
        throw Unsuitable(
            fmt::format("the check looks at {} numbers, the case gives {}", drawn.size(), values.given.size()));
    for (std::size_t i = 0; i < drawn.size(); ++i) drawn[i] = rounded(values.given[i], dtype);
    return drawn;
}

void fill(std::vector<double>& v, double value) { std::ranges::fill(v, value); }

// The values of x=tail: pairs that cancel, so that the mean is 0 in whatever order.
std::vector<double> tail_values(std::size_t m, Random& random) {
    std::vector<double> z(m);
    if (m < 4) return z;
    const double d = std::exp2(std::floor(std::log2(static_cast<double>(m) / 4) / 2));
    z[m - 1] = d, z[m - 2] = -d;
    for (const double sign : {1, -1}) {
        std::size_t k;
        do k = static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(m) - 3));
        while (z[k] != 0);
        z[k] = sign * d;
    }
    return z;
}

}  // namespace

void fill_x(const Case& c, Inputs<double>& in) {
    in.x = drawn_or_given(c.x, in.x, c.dtype);
    const std::string& pattern = c.x.pattern;
    if (!c.x.given.empty() || pattern == "normal") return;
    Random random(c.seed, 2000);
    const auto put = [&](std::size_t i, double v) { in.x[i] = rounded(c.sigma * v + c.offset, c.dtype); };
    std::size_t kind = 0;
    for (const std::vector<std::size_t>& block : truth::index_sets(in.problem)) {
        const std::size_t m = block.size(),
                          chosen = static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(m) - 1));
        std::vector<double> z(m);
        for (double& v : z) v = random.normal();
        if (pattern == "sorted") std::ranges::sort(z);
        if (pattern == "tail") z = tail_values(m, random);
        double pair = 0;
        for (std::size_t k = 0; k < m; ++k) {
            const std::size_t i = block[k];
            if (pattern == "grid") put(i, static_cast<double>(random.integer(-4, 4)));
            else if (pattern == "constant" || pattern == "ulp") put(i, 0);
            else if (pattern == "spike") put(i, k == chosen ? 1e4 : 1);
            else if (pattern == "outlier") put(i, k == 0 ? 1e4 : z[k]);
            else if (pattern == "sorted" || pattern == "tail") put(i, z[k]);
            else if (pattern == "alternating") put(i, k % 2 ? -1 : 1);
            else if (pattern == "pairs")
                put(i, pair = k % 2 ? -pair : k + 1 < m ? static_cast<double>(random.integer(1, 6)) : 0);
            else if (pattern == "tag") put(i, static_cast<double>(i));
            else if (pattern == "uniform") put(i, random.uniform());
            else if (pattern == "edges") put(i, edge(c.dtype, random));
            else if (pattern == "assorted") {
                const double of_kind[] = {1.5, z[k], z[k] / 1000, k == chosen ? 100.0 : 1.0};
                put(i, of_kind[kind % std::size(of_kind)]);
            }
        }
        ++kind;
        if (pattern == "ulp") in.x[block[chosen]] = next_above(in.x[block[chosen]], c.dtype);
    }
}

void fill_residual(const Case& c, Inputs<double>& in) {
    if (!in.problem.spec.adds()) return;
    const DType sums = in.problem.residuals();
    Random random(c.seed, 7000);
    for (std::size_t i = 0; i < in.x.size(); ++i) {
        in.residual.push_back(rounded(c.sigma * random.normal(), sums));
        in.ds.push_back(rounded(random.normal(), sums));
    }
    in.ds = drawn_or_given(c.ds, in.ds, sums);
    if (c.ds.pattern == "none") in.ds.clear();
    for (const double s : in.stored())
        if (!std::isfinite(s)) throw Unsuitable(fmt::format("x + residual overflows {}", name_of(sums)));
}

void fill_mask(const Case& c, Inputs<double>& in) {
    if (!in.problem.spec.masked) return;
    const auto [N, C, S] = c.shape;
    Random random(c.seed, 8000);
    const auto draw = [&](std::int64_t n) { return random.integer(0, std::max<std::int64_t>(1, n) - 1); };
    const std::int64_t whole = N > 1 ? draw(N) : -1, empty = N > 2 ? (whole + 1 + draw(N - 1)) % N : -1;
    for (std::int64_t n = 0; n < N; ++n) {
        const std::int64_t kept = n == whole ? S : n == empty ? 0 : 1 + draw(S - 1), chosen = draw(S);
        for (std::int64_t s = 0; s < S; ++s) {
            const bool chance = random.integer(0, 2) > 0;
            const bool counts = c.mask == MaskPattern::tail  ? s < kept
                                : c.mask == MaskPattern::one ? s == chosen
                                : c.mask == MaskPattern::all ? false
                                                             : chance;
            constexpr std::uint8_t others[] = {1, 0xff, 0x80, 2};  // whatever is not 0 counts
            in.mask.push_back(counts ? others[static_cast<std::size_t>(draw(std::ssize(others)))] : 0);
        }
    }
}

void poison_under_mask(const Case& c, Inputs<double>& in) {
    if (c.mask != MaskPattern::poisoned) return;
    constexpr double inf = std::numeric_limits<double>::infinity(), values[] = {std::nan(""), inf, -inf};
    std::size_t k = 0;
    for (std::size_t i = 0; i < in.x.size(); ++i) {
        if (in.counts(i)) continue;
        in.x[i] = values[k % 3];
        if (!in.problem.gaps.dy.expands()) in.dy[i] = values[k / 3 % 3];  // of which one element stands for others
        ++k;
    }
}

std::vector<std::size_t> tail_places(std::size_t count, std::uint64_t seed) {
    std::set<std::size_t> places;
    for (std::size_t back = 1; back <= count && back <= 129; back += back / 2 + 1) places.insert(count - back);
    Random random(seed, 4000);
    for (int k = 0; k < 4; ++k)
        places.insert(static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(count) - 1)));
    return {places.begin(), places.end()};
}

// 2^90, or so much less that dy over a denominator of eps alone, which a block of zeros has, is below 2^100.
double largest_scale(const Spec& spec) {
    const double least = spec.eps_degree() == 2 ? std::sqrt(spec.eps) : spec.eps;
    return least == 0 ? 0x1p90 : 0x1p90 * std::min(1.0, std::exp2(9 + std::floor(std::log2(least))));
}

// In the widest gap between z of an entry, of those that have an eighth to a half of them below; on either side of a
// single z.
std::vector<double> between(const Inputs<double>& in) {
    Inputs<double> forward_only = in;
    forward_only.dy.clear();
    const truth::Result t = truth::evaluate(forward_only);
    std::vector<std::vector<double>> of(in.tau.size());
    for (std::size_t i = 0; i < in.x.size(); ++i)
        if (in.counts(i)) of[in.problem.affine_entry(i)].push_back(t.z[i].high);
    std::vector<double> tau(of.size());
    for (std::size_t k = 0; k < of.size(); ++k) {
        std::vector<double>& z = of[k];
        if (z.size() < 2) {
            tau[k] = (z.empty() ? 0 : z[0]) + (k % 2 == 0 ? 0.5 : -0.5);
            continue;
        }
        std::ranges::sort(z);
        std::size_t widest = std::max<std::size_t>(1, z.size() / 8);
        for (std::size_t below = widest; below <= z.size() / 2; ++below)
            if (z[below] - z[below - 1] > z[widest] - z[widest - 1]) widest = below;
        tau[k] = (z[widest - 1] + z[widest]) / 2;
    }
    return rounded(tau, in.problem.params());
}

void fill_tau(const Case& c, Inputs<double>& in) {
    if (!in.problem.spec.thresholds()) return;
    const DType params = in.problem.params();
    Random random(c.seed, 9000);
    for (std::int64_t k = 0; k < in.problem.affine_count(); ++k)
        in.tau.push_back((in.beta.empty() ? 0 : in.beta[static_cast<std::size_t>(k)]) + 0.5 * random.normal());
    in.tau = drawn_or_given(c.tau, rounded(in.tau, params), params);
    if (c.tau.pattern == "beta") in.tau = in.beta.empty() ? std::vector<double>(in.tau.size()) : in.beta;
    if (c.tau.pattern == "low" || c.tau.pattern == "high") fill(in.tau, c.tau.pattern == "low" ? -1000 : 1000);
    if (c.tau.pattern == "between") in.tau = between(in);
}

void fill_others(const Case& c, Inputs<double>& in) {
    const DType params = in.problem.params();
    in.gamma = drawn_or_given(c.gamma, in.gamma, params);
    in.beta = drawn_or_given(c.beta, in.beta, params);
    for (std::size_t k = 0; k < in.gamma.size(); ++k) {
        if (c.gamma.pattern == "ones") in.gamma[k] = 1;
        if (c.gamma.pattern == "zero" || (c.gamma.pattern == "mixed" && k % 3 == 0)) in.gamma[k] = 0;
        if (c.gamma.pattern == "large") in.gamma[k] *= 0x1p16;
        if (c.gamma.pattern == "negative") in.gamma[k] = -std::abs(in.gamma[k]);
    }
    if (c.beta.pattern == "zero") fill(in.beta, 0);
    fill_tau(c, in);
    for (const std::vector<double>* v : {&in.gamma, &in.beta, &in.tau})
        if (is_narrow(params) && std::ranges::any_of(*v, [&](double e) { return !std::isfinite(rounded(e, params)); }))
            throw Unsuitable(
                fmt::format("gamma{} overflows {}", in.tau.empty() ? " or beta" : ", beta or tau", name_of(params)));

    in.dy = drawn_or_given(c.dy, in.dy, c.dtype);
    if (c.dy.pattern == "ones" || c.dy.pattern == "zero") fill(in.dy, c.dy.pattern == "ones");
    Random random(c.seed, 3000);
    if (c.dy.pattern == "grid")
        for (double& v : in.dy) v = static_cast<double>(random.integer(-4, 4));
    if (c.dy.pattern == "large")
        for (double& v : in.dy) v = std::abs(v) * (c.dtype == DType::f16 ? 0x1p13 : largest_scale(in.problem.spec));
    if (c.dy.pattern == "tail") {
        fill(in.dy, 0);
        const auto C = static_cast<std::size_t>(c.shape.C), S = static_cast<std::size_t>(c.shape.S);
        for (const std::size_t k : tail_places(in.dy.size() / C, c.seed))
            for (std::size_t ch = 0; ch < C; ++ch) in.dy[(k / S * C + ch) * S + k % S] = 1;
    }
    if (c.dy.pattern != "x_hat" && c.dy.pattern != "y") return;
    Inputs<double> forward_only = in;
    forward_only.dy.clear();
    const truth::Result t = truth::evaluate(forward_only);
    const std::vector<truth::Wide>& from = c.dy.pattern == "y" ? t.y : t.x_hat;
    for (std::size_t i = 0; i < in.dy.size(); ++i) in.dy[i] = rounded(static_cast<double>(from[i]), c.dtype);
}

}  // namespace normlab::verify
