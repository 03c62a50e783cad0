#include "verify/check/check.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "norms/variants.hpp"

namespace normlab::verify {

// Those whose statement is one of blocks that a mask has left smaller, too.
static constexpr std::string_view behind_masks[] = {
    "accuracy",  "running_stats",  "ghost_batch", "combinations", "repeat",
    "contracts", "gradient_masks", "reuse",       "gaps",         "isolation",
    "zero_sum",  "xhat_dx",        "symmetry",    "permutation",  "batch_independence",
};

std::string Check::refuses(const Case& c) const {
    if (c.spec().masked && std::ranges::find(behind_masks, name) == std::end(behind_masks))
        return "it is about whole blocks, of which no mask leaves anything out";
    if (c.spec().is_partial() && name.starts_with("double_"))
        return "no double backward is asked for where statistics are of a part";
    if (c.spec().adds() && !residuals) return "it is about the norm, with nothing added before it";
    if (c.spec().activates() && !activations) return "it is about the norm, with nothing behind it";
    if (c.spec().casts() && !casts) return "it is about x_hat as it is, not rounded before gamma";
    if (c.problem().outputs() != c.dtype && !outputs) return "it is about y in the type of the data";
    return refuses_norm(c);
}

Finding measured(std::string_view quantity, double error, double bound, std::string where) {
    Finding f{std::string(quantity), error, bound};
    f.verdict = error <= bound ? Verdict::pass : Verdict::fail;
    f.where = std::move(where);
    return f;
}

std::size_t worst_index(const std::vector<Finding>& findings) {
    const auto rank = [](const Finding& f) {
        const int severity = f.verdict == Verdict::fail ? 2 : f.verdict == Verdict::unresolved ? 1 : 0;
        return std::pair(severity, f.ratio());
    };
    return static_cast<std::size_t>(std::ranges::max_element(findings, {}, rank) - findings.begin());
}

Finding worst(const std::vector<Finding>& findings) { return findings[worst_index(findings)]; }

double fitted_slope(const std::vector<std::pair<double, double>>& points) {
    const double n = static_cast<double>(points.size());
    double sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (const auto& [x, y] : points) sx += x, sy += y, sxx += x * x, sxy += x * y;
    return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

Case with_state(Case c) {
    if (const Spec s = c.spec(); s.running == Running::none && may_keep_state(s))
        c.running = Running::unbiased_variance;
    return c;
}

Case with_shape(const Case& c, const Shape& shape) {
    Case shaped = with_state(with_small_shape(c));
    shaped.shape = shape;
    return shaped;
}

bool is_valid(const Case& c) {
    try {
        validate(c.problem());
    } catch (const Error&) {
        return false;
    }
    return true;
}

std::string needs_own_statistics(const Case& c) {
    return c.problem().own_statistics()
               ? ""
               : "statistics are given in this mode: no block ties the elements of dx together";
}
std::string needs_mean_removed(const Case& c) {
    return c.spec().centred() ? "" : c.variant + " does not remove the mean";
}
std::string needs_one_a_channel(const Case& c) {
    return c.spec().affine_set == AffineSet::channel ? "" : "its gamma and beta are one a channel";
}
std::string needs_training(const Case& c) { return c.mode == Mode::train ? "" : "it looks at training mode"; }

bool repeats_training(const Case& c) { return c.mode == Mode::eval && c.spec().running == Running::none; }

std::vector<double> twice(std::vector<double> bound) {
    for (double& b : bound) b *= 2;
    return bound;
}

Case with_block(Case c, std::int64_t m) {
    const Spec s = c.spec();
    const std::int64_t groups = s.groups;
    if (s.block.samples && s.block.positions)
        c.shape = s.moments == Moments::norm || is_weights(s) ? Shape{1, 3, m}
                  : m % 4 == 0                                ? Shape{m / 4, 3, 4}
                                                              : Shape{m, 3, 1};
    else if (s.block.groups && s.block.positions) c.shape = m % 4 == 0 ? Shape{3, m / 4, 4} : Shape{3, m, 1};
    else if (s.block.groups) c.shape = {2, m, 2};
    else if (s.block.channels) c.shape = m % 4 == 0 ? Shape{2, groups * m / 4, 4} : Shape{2, groups * m, 1};
    else c.shape = {2, 2, m};
    return c;
}

Case with_small_shape(Case c) {
    c.shape = {5, 6, 3};
    if (c.spec().block.channels && !c.spec().block.groups) c.groups = 3;
    return c;
}

Case with_narrow_params(Case c) {
    if (arithmetic_dtype(c.dtype) == DType::f32) c.param_dtype = is_narrow(c.dtype) ? c.dtype : DType::bf16;
    return c;
}

void add_forms(std::vector<Case>& cases, const Case& base) {
    const Spec own = base.spec();
    const auto add = [&](Denominator denominator, Divisor divisor, double eps) {
        if (denominator == own.denominator && divisor == own.divisor && eps == own.eps) return;
        Case c = base;
        if (denominator != own.denominator) c.denominator = denominator;
        if (divisor != own.divisor) c.divisor = divisor;
        if (eps != own.eps) c.eps = eps;
        cases.push_back(c);
    };
    if (own.plain()) return;
    if (own.has_floor()) {
        for (const double eps : {own.eps, 1e3})  // above the floor and, unless the data are large, below it
            for (const Denominator d : {Denominator::floor, Denominator::floor_root}) add(d, own.divisor, eps);
        return;
    }
    add(Denominator::root, Divisor::own, own.eps);
    for (const double eps : {own.eps, 1e6}) add(Denominator::floor_root, Divisor::one, eps);
}

void add_near_floor(std::vector<Case>& cases, const Case& base) {
    const Spec own = base.spec();
    if (own.plain()) return;
    for (const std::int64_t m : {5, 15, 33})
        for (const Denominator d : {Denominator::floor, Denominator::floor_root})
            for (const double factor : {1.0, 1.5}) {
                Case c = with_block(base, m);
                c.shape.N = 70;
                if (d != own.denominator) c.denominator = d;
                const auto elements = static_cast<double>(m);
                const double length = factor * std::sqrt(elements / own.divisor_of(elements));
                c.eps = d == Denominator::floor ? length : length * length;
                if (is_valid(c)) cases.push_back(c);
            }
}

}  // namespace normlab::verify
