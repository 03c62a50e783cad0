// NaN in what the double backward is given.

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "verify/check/exact.hpp"
#include "verify/check/twice.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {
namespace {

std::vector<Case> double_isolation_cases(const Case& base, Tier tier) {
    std::vector<Case> cases{with_small_shape(base)};
    if (tier == Tier::smoke || repeats_training(base)) return cases;
    cases.push_back(cases[0]), cases.back().shape = {3, 12, 5};
    cases.push_back(cases[0]), cases.back().gamma_offset = 1;
    cases.push_back(cases[0]), cases.back().affine_set = AffineSet::element;
    return cases;
}

std::string double_isolation_refuses(const Case& c) {
    return c.stat_batch && c.spec().correction == Correction::renorm
               ? "running statistics carry a slice's value to the slices after it"
               : "";
}

// One element of an array of a tensor's size, or one entry of another, is made NaN.
struct Replaced {
    std::string_view name;
    std::vector<double> Inputs<double>::*array;
    bool of_entry, in_ddx, in_ddy, in_ddgamma;  // where it must show
};

std::vector<Finding> double_isolation(const Case& c, const Implementation& implementation) {
    require_double_backward(c.problem(), implementation);
    const Inputs<double> in = draw_twice(c);
    const Outputs<double> out = run(implementation, in);
    const Problem& p = in.problem;
    std::optional<Bounds> within;
    if (!implementation.deterministic())
        within = error_bounds(in, truth::evaluate(in), implementation.accumulation(c.dtype));
    const std::vector<std::vector<std::size_t>> blocks = truth::index_sets(p);
    const std::vector<std::size_t>& block = blocks[blocks.size() / 2];
    const std::size_t at = block.back(), entry = p.affine_entry(at);
    // x is in ddx through the statistics, unless a floor takes their place.
    const bool through_statistics = p.own_statistics() && !p.spec.has_floor();
    std::vector<Finding> shown{measured("NaN", 0, 0)}, others{measured("other blocks", 0, 0)};
    for (const Replaced& r : {Replaced{"x", &Inputs<double>::x, false, through_statistics, true, false},
                              {"dy", &Inputs<double>::dy, false, true, false, true},
                              {"v", &Inputs<double>::v, false, false, true, false},
                              {"u", &Inputs<double>::u, true, true, true, false},
                              {"w", &Inputs<double>::w, true, false, true, false}}) {
        if ((in.*r.array).empty()) continue;  // u and w without gamma and beta
        Inputs<double> bad = in;
        (bad.*r.array)[r.of_entry ? entry : at] = std::numeric_limits<double>::quiet_NaN();
        const Outputs<double> got = run(implementation, bad);
        const auto shows = [&](bool must, std::string_view of, double value) {
            shown.push_back(
                none_of("NaN", must && std::isfinite(value) ? 1 : 0,
                        fmt::format("{} at {}: {} {:.9g} hides it", r.name, element_text(p, at), of, value)));
        };
        shows(r.in_ddx, "ddx", got.ddx[at]), shows(r.in_ddy, "ddy", got.ddy[at]);
        shows(r.in_ddgamma, "ddgamma", got.ddgamma[entry]);
        if (r.of_entry) continue;
        for (const Quantity quantity : {Quantity::ddx, Quantity::ddy}) {
            const QuantityRow& q = row_of(quantity);
            std::vector<double> expected = q.in(out);
            for (const std::size_t i : block) expected[i] = q.in(got)[i];
            others.push_back(same_values("other blocks", p, q.in(got), expected,
                                         within ? twice(*within.*q.bound) : std::vector<double>()));
            others.back().where =
                fmt::format("{} at {}, of {}: {}", r.name, element_text(p, at), q.name, others.back().where);
        }
    }
    return {worst(shown), worst(others)};
}

}  // namespace

extern const Check double_isolation_check{
    "double_isolation",
    "NaN in x, dy or a cotangent shows in ddx, ddy and ddgamma where the formulas have it, and in no other block",
    false,
    double_isolation_refuses,
    double_isolation_cases,
    double_isolation,
    false,
    false,
    true};

}  // namespace normlab::verify
