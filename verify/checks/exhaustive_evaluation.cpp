// Every value of a 16-bit type through evaluation, as x and as dy, for a grid of parameters: a channel for each.

#include <cmath>

#include <fmt/format.h>

#include "verify/check/compare.hpp"
#include "verify/checks/exhaustive.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/range.hpp"

namespace normlab::verify {
namespace {

struct Parameters {
    double mean, var, gamma, beta;
};

std::vector<Parameters> grid() {
    std::vector<Parameters> all;
    for (const double mean : {0.0, -300.0})
        for (const double var : {0.0, 1.0, 1e4})
            for (const auto& [gamma, beta] : {std::pair(1.0, 0.0), {-0.75, 0.25}, {0.0, 3.0}, {50.0, -2.0}})
                all.push_back({mean, var, gamma, beta});
    return all;
}

// x and dy of all channels alike: value v at position v of a channel.
Inputs<double> all_values(const Problem& p) {
    Inputs<double> in{p, {}, {}, {}, {}, initial_state(p.spec, p.shape.C)};
    std::size_t c = 0;
    for (const Parameters& q : grid()) {
        in.gamma.push_back(q.gamma), in.beta.push_back(q.beta);
        in.state.mean[c] = q.mean;
        spread_of(in.state)[c++] = in.state.var.empty() ? std::sqrt(q.var + p.spec.eps) : q.var;
    }
    const std::vector<double> numbers = numbers_of_16_bits(p.dtype);
    for (std::int64_t n = 0; n < p.shape.N; ++n)
        for (std::int64_t k = 0; k < p.shape.C * p.shape.S; ++k)
            in.x.push_back(numbers[static_cast<std::size_t>(n * p.shape.S + k % p.shape.S)]);
    in.dy = in.x;
    return in;
}

// Element i alone.
Inputs<double> one_of(const Inputs<double>& in, std::size_t i) {
    const std::size_t c = i / static_cast<std::size_t>(in.problem.shape.S) % in.gamma.size();
    Inputs<double> one{in.problem, {in.x[i]}, {in.dy[i]}, {in.gamma[c]}, {in.beta[c]}, {}};
    one.problem.shape = {1, 1, 1};
    one.state = initial_state(in.problem.spec, 1);
    one.state.mean[0] = in.state.mean[c], spread_of(one.state)[0] = spread_of(in.state)[c];
    return one;
}

// In double, as Pairs has it: what is within the least that every derivation of bounds.cpp allows is right; the others
// are judged in quad. An x that is no number spoils its own y; a dy, its own dx.
Finding judged(Quantity which, const Inputs<double>& in, const Outputs<double>& out, Accumulation accumulation) {
    const Problem& p = in.problem;
    const QuantityRow& q = row_of(which);
    const double u = unit_roundoff(p.dtype), u_io = storage_roundoff(p.dtype),
                 tiny = 2 * row_of(p.dtype).smallest_subnormal;
    const std::vector<double>& got = q.in(out);
    Finding worst_of{std::string(q.name)};
    std::size_t wrong = 0, in_quad = 0, outside = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const std::size_t c = i / static_cast<std::size_t>(p.shape.S) % in.gamma.size();
        const double s = in.state.var.empty() ? in.state.sigma[c] : std::sqrt(in.state.var[c] + p.spec.eps);
        const double distance = in.x[i] - in.state.mean[c], factor = in.factor(c), scaled = factor * distance / s;
        const double truth = which == Quantity::y ? scaled + in.beta[c] : factor * in.dy[i] / s;
        const double own =
            which == Quantity::y ? 6 * u * std::abs(scaled) + 2 * u * std::abs(in.beta[c]) : 8 * u * std::abs(truth);
        if (std::abs(got[i] - truth) <= (1 - 1e-6) * (u_io * std::abs(truth) + own + tiny)) continue;
        Finding f;
        if (!std::isfinite(in.x[i])) {
            if (!std::isfinite(got[i])) continue;
            f = measured(q.name, 1, 0, fmt::format("{:.9g} hides that it is no number", got[i]));
        } else if (range_of(std::abs(in.x[i]), std::abs(distance), s, 1, p.dtype, accumulation) != Range::inside) {
            ++outside;
            if (!std::isfinite(got[i])) continue;
            f = measured(q.name, 1, 0, fmt::format("{:.9g}, truth {:.9g}", got[i], truth));
            f.verdict = Verdict::unresolved;
        } else {
            ++in_quad;
            const Inputs<double> one = one_of(in, i);
            const truth::Result t = truth::evaluate(one);
            f = compare(q.name, one.problem, {got[i]}, q.in(t), error_bounds(one, t, accumulation).*q.bound);
        }
        wrong += f.verdict == Verdict::fail;
        f.where = fmt::format("x={}, mean {}, spread {}, gamma {}, beta {}: {}", in.x[i], in.state.mean[c],
                              spread_of(in.state)[c], in.gamma[c], in.beta[c], f.where);
        if (worst_of.where.empty() || worst_index({worst_of, f}) == 1) worst_of = f;
    }
    worst_of.note = fmt::format("{} values, {} wrong, {} judged in quad, {} outside the range of the bounds",
                                got.size(), wrong, in_quad, outside);
    return worst_of;
}

}  // namespace

std::vector<Finding> exhaustive_evaluation(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = all_values(c.problem());
    const Outputs<double> out = run(implementation, in, {true, false, false});
    const Accumulation a = implementation.accumulation(c.dtype);
    return {judged(Quantity::y, in, out, a), judged(Quantity::dx, in, out, a)};
}

std::vector<Case> exhaustive_evaluation_cases(Case base) {
    const auto C = static_cast<std::int64_t>(grid().size());
    std::vector<Case> cases;
    base.check = "exhaustive", base.mode = Mode::eval;
    for (const Shape& shape : {Shape{1, C, 65536}, Shape{64, C, 1024}, Shape{65536, C, 1}}) {
        cases.push_back(base);
        cases.back().shape = shape;
    }
    return cases;
}

}  // namespace normlab::verify
