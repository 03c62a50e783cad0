// Results and inputs below the smallest normal number, which hardware and compilers may be told to take for 0
// (-ffast-math, nvcc --use_fast_math): the numbers of all other checks are too large to show it.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "verify/check/compare.hpp"
#include "verify/checks/sizes.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

// The size of what is made tiny: subnormal in the dtype, with most of the digits that subnormal numbers have.
double tiny(DType dtype) { return row_of(dtype).smallest_normal / 4; }

void scale(std::vector<double>& values, double factor, DType dtype) {
    for (double& v : values) v = rounded(v * factor, dtype);
}

// One call, and what its roundings may lose where they underflow: half of the smallest subnormal number each, then
// multiplied by what the result of that rounding is multiplied by. Kernels form coefficients of 1, x, x_hat and dy
// (gamma rstd, mean gamma rstd, mean(g x_hat) rstd^2, ...) that may be subnormal themselves.
struct Call {
    Inputs<double> in;
    truth::Result t;
    Bounds bounds;
    Outputs<double> out;
    double unit;                                     // 8 roundings of the compute precision
    double inverse_s = 0, x = 1, x_hat = 1, dy = 1;  // the largest ones, or 1

    Call(const Inputs<double>& inputs, const Implementation& implementation)
        : in(inputs), t(truth::evaluate(in)),
          bounds(error_bounds(in, t, implementation.accumulation(in.problem.dtype))), out(run(implementation, in)),
          unit(4 * row_of(arithmetic_dtype(in.problem.dtype)).smallest_subnormal) {
        for (const truth::Block& b : t.blocks)
            if (b.s != 0) inverse_s = std::max(inverse_s, static_cast<double>(1 / b.s));
        for (double v : in.x) x = std::max(x, std::abs(v));
        for (const truth::Wide& v : t.x_hat) x_hat = std::max(x_hat, std::abs(v.high));
        for (double v : in.dy) dy = std::max(dy, std::abs(v));
    }

    // dx and gradients of parameters sum over n terms.
    double lost(const QuantityRow& q) const {
        const double coefficients = (1 + inverse_s) * (1 + x + x_hat);
        if (q.quantity == Quantity::y) return unit * coefficients;
        const double n =
            q.per == Per::entry ? static_cast<double>(in.problem.shape.size() / in.problem.affine_count()) : 1;
        return unit * coefficients * (1 + inverse_s) * (1 + inverse_s) * (1 + x_hat) * dy * n;
    }

    // Bounds of elements have 8 roundings of the result's own type that may underflow. A narrow one is rounded to once.
    double kept(const QuantityRow& q) const {
        const DType dtype = q.dtype(in.problem);
        return is_narrow(dtype) && q.per == Per::element ? 3.5 * row_of(dtype).smallest_subnormal : 0;
    }

    Finding judge(Quantity which, std::string_view what, std::vector<double> bound) const {
        const QuantityRow& q = row_of(which);
        for (double& b : bound) b += lost(q) - kept(q);
        return compare(fmt::format("{}, {}", q.name, what), in.problem, q.in(out), q.in(t), bound);
    }
};

void judge_all(std::string_view what, const Call& call, const std::vector<Quantity>& quantities,
               std::vector<Finding>& findings) {
    for (const Quantity q : quantities) findings.push_back(call.judge(q, what, call.bounds.*row_of(q).bound));
}

// Of x whose size is nothing beside sqrt(eps), or beside a given spread of 1 about 0. The bounds of accuracy speak of
// errors in units of the spread; here the mean's error is 2 l u max|x|, that of rstd 3 u, and two products follow. l is
// that of the longest chain, one an element, whatever is declared.
Finding tiny_x(Inputs<double> in, const Implementation& implementation) {
    const Problem& p = in.problem;
    scale(in.x, tiny(p.dtype), p.dtype);
    in.beta.clear(), in.dy.clear();
    std::ranges::fill(in.state.mean, 0.0);
    std::ranges::fill(spread_of(in.state), 1.0);
    const Call call(in, implementation);
    double largest = 0;
    for (double v : in.x) largest = std::max(largest, std::abs(v));
    const double u = unit_roundoff(p.dtype);
    const double l = p.own_statistics() ? static_cast<double>(call.t.blocks[0].elements.size()) + 2 : 0;
    std::vector<double> bound(in.x.size());
    for (std::size_t i = 0; i < bound.size(); ++i) {
        const double gamma = std::abs(in.factor_of(i));
        bound[i] = gamma * call.inverse_s * 2 * l * u * largest + 4 * row_of(p.dtype).smallest_subnormal +
                   (8 * u + storage_roundoff(p.dtype)) * std::abs(static_cast<double>(call.t.y[i]));
    }
    return call.judge(Quantity::y, "tiny x", bound);
}

std::vector<Finding> subnormals(const Case& c, const Implementation& implementation) {
    if (implementation.flushes_subnormals())
        throw Unsuitable(c.implementation + " declares that it takes subnormal numbers for 0");
    const Inputs<double> in = draw(c);
    const Problem& p = in.problem;
    std::vector<Finding> findings;
    if (!in.gamma.empty() && !p.has_correction() && p.spec.gamma_offset == 0) {
        Inputs<double> tiny_gamma = in;
        scale(tiny_gamma.gamma, tiny(p.dtype), p.params());
        tiny_gamma.beta.clear();
        judge_all("tiny gamma", Call(tiny_gamma, implementation), {Quantity::y, Quantity::dx}, findings);
    }
    Inputs<double> tiny_dy = in;
    scale(tiny_dy.dy, tiny(p.dtype), p.dtype);
    std::vector<Quantity> asked{Quantity::dx};
    if (!in.gamma.empty()) asked.push_back(Quantity::dgamma);
    if (!in.beta.empty()) asked.push_back(Quantity::dbeta);
    judge_all("tiny dy", Call(tiny_dy, implementation), asked, findings);
    if (!p.own_statistics() || (p.spec.eps > 0 && !p.has_correction())) findings.push_back(tiny_x(in, implementation));
    return findings;
}

std::vector<Case> subnormal_cases(const Case& base, Tier tier) {
    if (repeats_training(with_state(base))) return {};
    std::vector<Case> cases{with_state(with_small_shape(base))};
    if (tier == Tier::smoke) return cases;
    cases.push_back(with_state(with_block(base, 37)));  // beyond the lanes of vectors, with a tail
    cases.push_back(with_state(with_block(base, 64)));
    cases.push_back(with_state(with_shape(base, {70, 6, 3})));
    // Threads have a floating-point environment of their own, and long blocks paths.
    if (is_others(base) || base.dtype == DType::f32)
        for (const Shape& shape : {Shape{40, 64, 17}, Shape{2, 20011, 1}})
            cases.push_back(with_state(with_shape(base, shape)));
    return cases;
}

}  // namespace

extern const Check subnormals_check{
    "subnormals",
    "y, dx, dgamma and dbeta that are subnormal, by a tiny gamma, dy or x, are within their bounds and not 0",
    false,
    always,
    subnormal_cases,
    subnormals};

}  // namespace normlab::verify
