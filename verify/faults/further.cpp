// Further inputs for naming: on which faults that agree on one input differ, and those of no table differ from them.

#include <algorithm>

#include <fmt/format.h>

#include "norms/norm.hpp"
#include "verify/faults/naming.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify::faults {
namespace {

constexpr std::size_t most_names = 4;

std::string text(const std::vector<Match>& matches) {
    std::string t;
    for (std::size_t k = 0; k < matches.size(); ++k) {
        const Match& f = matches[k];
        t += k > 0 ? ", or " : f.times == 1 ? "equals the fault " : "like the fault ";
        const std::string factor = f.times == 1      ? ""
                                   : f.number() == 0 ? ", factor 0 (the term is missing),"
                                                     : fmt::format(", factor {:.4g},", f.number());
        t += fmt::format("{} ({}){} to {:.0e}", f.fault->name, f.fault->description, factor, f.error);
    }
    return t;
}

// What a diagnosis calls it, the same in every finding of it.
std::string cause(const std::vector<Match>& matches) {
    std::string t;
    for (const Match& f : matches)
        t += fmt::format("{}{}{} ({})", t.empty() ? "" : ", or ", f.times == 1 ? "" : "like ", f.fault->name,
                         f.fault->description);
    return t;
}

void fill(Inputs<double>& in, std::uint64_t seed) {
    Random random(seed, 1);
    const DType d = in.problem.dtype, params = in.problem.params();
    for (double& v : in.dy) v = rounded(random.normal() + 0.5, d);
    for (double& v : in.gamma) v = rounded((0.5 + 1.5 * random.uniform()) * (random.integer(0, 3) ? 1 : -1), params);
    for (double& v : in.beta) v = rounded(random.normal() + 0.25, params);
    for (double& v : in.tau) v = rounded(0.5 * random.normal(), params);
    for (double& v : in.v) v = rounded(random.normal() + 0.5, d);
    for (double& v : in.ds) v = rounded(random.normal() + 0.5, in.problem.residuals());
    for (double& v : in.u) v = rounded(random.normal() + 0.5, params);
    for (double& v : in.w) v = rounded(random.normal() + 0.25, params);
    expand(in);
}

// x and what is kept of earlier ones, of this size.
void fill_x(Inputs<double>& in, double scale, std::uint64_t seed) {
    Random random(seed);
    for (double& v : in.x) v = rounded(scale * (random.normal() + 2), in.problem.dtype);
    for (double& v : in.residual) v = rounded(scale * (random.normal() + 0.25), in.problem.residuals());
    for (std::size_t c = 0; c < in.state.mean.size(); ++c) {
        in.state.mean[c] = scale * (2 + 0.3 * random.normal());
        const double var = scale * scale * (0.6 + random.uniform());
        if (in.state.sigma.empty()) in.state.var[c] = var;
        else in.state.sigma[c] = std::sqrt(var + in.problem.spec.eps);
    }
}

// The same problem in another shape, with all parameters.
Inputs<double> in_shape(const Inputs<double>& like, const Shape& shape, const Spec& spec, std::uint64_t seed) {
    Inputs<double> in;
    in.problem = like.problem;
    in.problem.shape = shape, in.problem.spec = spec;
    const auto size = static_cast<std::size_t>(shape.size()),
               entries = static_cast<std::size_t>(in.problem.affine_count());
    in.x.resize(size), in.gamma.resize(entries), in.beta.resize(entries);
    if (!like.dy.empty()) in.dy.resize(size);
    if (!like.residual.empty()) in.residual.resize(size);
    if (!like.ds.empty()) in.ds.resize(size);
    if (!like.tau.empty()) in.tau.resize(entries);
    if (!like.mask.empty()) {
        Random random(seed, 1);
        for (std::int64_t k = shape.N * shape.S; k > 0; --k) in.mask.push_back(random.integer(0, 2) > 0 ? 1 : 0);
    }
    if (like.twice()) in.v.resize(size), in.u.resize(entries), in.w.resize(entries);
    if (spec.running != Running::none) in.state = initial_state(spec, shape.C), in.state.count = 5;
    fill(in, seed), fill_x(in, 1, seed);
    return in;
}

// Half of x, which is as constant or as far from zero as it was; other numbers, of a variance near 1, eps and eps^2,
// and tiny ones, for which a floor of x is told from one of the variance;
// then other shapes. The last two have blocks whose length leaves another remainder by 4, 8, 16 and 32, and the last
// another eps and momentum too.
std::vector<Inputs<double>> further_inputs(const Inputs<double>& in) {
    std::vector<Inputs<double>> all;
    std::uint64_t seed = 17;
    fill(all.emplace_back(in), seed++);
    for (double& v : all.back().x) v = rounded(v / 2, in.problem.dtype);
    for (double& v : all.back().residual) v = rounded(v / 2, in.problem.residuals());
    for (const double scale : {1.0, 1.0 / 256, 1.0 / 1024, 0x1p-27, in.problem.spec.eps})
        if (scale > 0) fill(all.emplace_back(in), seed), fill_x(all.back(), scale, seed++);
    const Spec& spec = in.problem.spec;
    Spec other = spec;
    if (other.moments != Moments::norm || other.eps > 0) other.eps = spec.eps == 0x1p-9 ? 0x1p-8 : 0x1p-9;
    if (other.momentum) other.momentum = *other.momentum == 0.375 ? 0.625 : 0.375;
    const std::int64_t slice = spec.stat_batch ? spec.stat_batch : 1, G = spec.groups;
    const bool positions = spec.block.positions;
    all.push_back(in_shape(in, {spec.stat_batch ? 2 * slice : 5, 3 * G, 3}, spec, seed++));
    const Shape longer = positions ? Shape{spec.stat_batch ? slice : 3, 3 * G, 31} : Shape{slice, 31 * G, 3};
    all.push_back(in_shape(in, longer, spec, seed++));
    all.push_back(in_shape(in, longer, other, seed++));
    return all;
}

// A finding that fails and the faults that fit so far.
struct FailedFinding {
    Finding* finding;
    std::vector<Match> found;
};

// Takes out what does not fit on these inputs as well, and remembers in `shown` what visibly shows there.
void confirm(std::vector<FailedFinding>& named, const Suspects& there, const Outputs<double>& more,
             std::vector<std::pair<const Finding*, const Fault*>>& shown) {
    for (auto& [finding, found] : named) {
        std::vector<Match> stronger;  // fitted anew where they show
        std::erase_if(found, [&, f = finding](const Match& match) {
            Agreement a = there.agreement(match, f->quantity, more);
            if (match.times != 1 && a.elements >= 3) {  // as many as say how strong it is
                if (stronger.empty()) stronger = there.candidates(f->quantity, more);
                const auto same = std::ranges::find(stronger, match.fault, &Match::fault);
                a.fits = same != stronger.end() && std::abs(same->times - match.times) <= match.slack + same->slack;
            }
            if (a.shows) shown.emplace_back(f, match.fault);
            return !a.fits || a.contradicted;
        });
    }
}

}  // namespace

void name_faults(std::vector<Finding>& findings, const Inputs<double>& in, const truth::Result& t, const Bounds& bounds,
                 const Outputs<double>& got, const Implementation& again) {
    constexpr std::size_t largest = 2048;
    if (in.problem.spec.quantizes()) return;  // of 8 bits a fault in f64 is not seen again
    if (in.x.size() > largest || std::ranges::find(findings, Verdict::fail, &Finding::verdict) == findings.end())
        return;
    const Suspects suspects(all_faults(), in, t, bounds);
    std::vector<FailedFinding> named;
    for (Finding& f : findings)
        if (f.verdict == Verdict::fail)
            if (std::vector<Match> found = suspects.candidates(f.quantity, got); !found.empty())
                named.push_back({&f, std::move(found)});
    std::size_t same_shape = 0, other_shape = 0;
    std::vector<std::pair<const Finding*, const Fault*>> shown;
    for (const Inputs<double>& other : named.empty() ? std::vector<Inputs<double>>() : further_inputs(in)) {
        std::vector<const Fault*> left;
        for (const FailedFinding& n : named)
            for (const Match& match : n.found)
                if (std::ranges::find(left, match.fault) == left.end()) left.push_back(match.fault);
        if (left.empty()) return;
        Outputs<double> more;
        try {
            more = run(again, other);
        } catch (const std::exception&) {
            continue;  // a script has no other calls, a kernel may refuse them
        }
        ++(other.problem.shape == in.problem.shape ? same_shape : other_shape);
        const truth::Result also = truth::evaluate(other);
        const Bounds there = error_bounds(other, also, again.accumulation(in.problem.dtype));
        confirm(named, Suspects(left, other, also, there), more, shown);
    }
    for (auto& [finding, found] : named) {
        std::erase_if(found, [&, f = finding](const Match& match) {
            // a free factor takes in much, a vague one more
            if (match.times != 1 && (other_shape == 0 || match.slack > 0.05 * std::abs(match.times))) return true;
            if (same_shape + other_shape == 0) return !match.explains_all || match.elements < 3;
            return std::ranges::find(shown, std::pair<const Finding*, const Fault*>(f, match.fault)) == shown.end();
        });
        found = best(std::move(found));
        if (found.empty() || found.size() > most_names) continue;
        finding->note += (finding->note.empty() ? "" : "; ") + text(found);
        finding->cause = cause(found);
    }
}

}  // namespace normlab::verify::faults
