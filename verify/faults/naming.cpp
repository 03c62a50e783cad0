#include "verify/faults/naming.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "norms/plugin.hpp"
#include "verify/faults/layer.hpp"
#include "verify/faults/table.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify::faults {

using Values = std::vector<double>;

// Right values, how far they may be off, and where they are in outputs.
struct Suspects::Quantity {
    std::string_view name;
    Values right, bound;
    const QuantityRow* row;
    const Values& of(const Outputs<double>& out) const { return row->in(out); }
};

namespace {

// of a fault of 1 %: a factor of 101; beyond it the term is no more like the right one
constexpr double most_times = 1e4;

Values as_doubles(const std::vector<truth::Wide>& v) {
    Values d;
    for (const truth::Wide& q : v) d.push_back(q.high);
    return d;
}

// The largest distance in bounds.
double distance(const Values& a, const Values& b, const Values& bound) {
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double ratio = Finding::ratio(std::abs(a[i] - b[i]), bound[i]);
        if (std::isnan(ratio)) return std::numeric_limits<double>::infinity();
        worst = std::max(worst, ratio);
    }
    return worst;
}

// Bounds of right values, and the roundings of what a fault gives, which may be larger.
Values with_roundings(Values bound, const Values& wrong, double u) {
    for (std::size_t i = 0; i < std::min(bound.size(), wrong.size()); ++i) bound[i] += u * std::abs(wrong[i]);
    return bound;
}

// How often the fault is to be taken so that right + times (wrong - right) is nearest to got, in bounds.
double projected(const Values& got, const Values& right, const Values& wrong, const Values& bound) {
    double product = 0, square = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (!(bound[i] > 0)) continue;
        const double by_fault = (wrong[i] - right[i]) / bound[i], by_got = (got[i] - right[i]) / bound[i];
        product += by_fault * by_got, square += by_fault * by_fault;
    }
    return square > 0 ? product / square : 0;
}

// Whether enough elements are off to say how strong a fault is.
bool says_strength(const Values& got, const Values& right, const Values& bound) {
    int seen = 0;
    for (std::size_t i = 0; i < got.size(); ++i) seen += std::abs(got[i] - right[i]) > 10 * bound[i];
    return seen >= 3;
}

struct Candidate {
    Match match;
    bool all;  // it gives the other quantities too
};

std::vector<Match> best(std::vector<Candidate> candidates) {
    const auto keep = [&](auto good) {
        if (std::ranges::any_of(candidates, good))
            std::erase_if(candidates, [&](const Candidate& c) { return !good(c); });
    };
    keep([](const Candidate& c) { return c.match.times == 1; });
    keep([](const Candidate& c) { return c.all; });
    std::vector<Match> matches;
    for (const Candidate& c : candidates) matches.push_back(c.match);
    return matches;
}

std::string text(const std::vector<Match>& matches) {
    constexpr std::size_t most = 4;
    std::string t;
    for (std::size_t k = 0; k < std::min(matches.size(), most); ++k) {
        const Match& f = matches[k];
        t += k > 0 ? ", or " : f.times == 1 ? "equals the fault " : "like the fault ";
        const std::string factor = f.times == 1 ? "" : fmt::format(", factor {:.4g},", f.number());
        t += fmt::format("{} ({}){} to {:.0e}", f.fault->name, f.fault->description, factor, f.error);
    }
    if (matches.size() > most) t += fmt::format(", or {} more", matches.size() - most);
    return t;
}

// Inputs on which faults that agree here may not: another eps to variance, another mean, other numbers.
std::vector<Inputs<double>> further_inputs(const Inputs<double>& in) {
    std::vector<Inputs<double>> all;
    for (const double scale : {1.0, 1.0 / 256, 1.0 / 1024}) {
        Inputs<double> other = in;
        Random random(17);
        for (double& v : other.x) v = rounded(scale * (random.normal() + 2), in.problem.dtype);
        for (double& v : other.dy) v = rounded(random.normal() + 0.5, in.problem.dtype);
        all.push_back(std::move(other));
    }
    return all;
}

}  // namespace

const Implementation& implementation(const Fault* fault) {
    static const std::vector<std::unique_ptr<Implementation>> all = [] {
        std::vector<std::unique_ptr<Implementation>> made;
        for (const Fault& f : table)
            made.push_back(plugin_implementation(plugin_table(&f), {"faulty.so", std::string(f.name)}));
        made.push_back(plugin_implementation(plugin_table(nullptr), {"faulty.so", ""}));
        return made;
    }();
    return *all[fault ? static_cast<std::size_t>(fault - table) : count];
}

Suspects::Suspects(std::vector<const Fault*> faults, const Inputs<double>& in, const truth::Result& t,
                   const Bounds& b) {
    roundoff_ = 8 * unit_roundoff(in.problem.dtype) + storage_roundoff(in.problem.dtype);
    for (const QuantityRow& q : quantities::results())
        if (!(b.*q.bound).empty())
            quantities_.push_back({q.name_in(in.problem.spec), as_doubles(q.in(t)), b.*q.bound, &q});
    wide_ = in;
    wide_.problem.dtype = DType::f64;
    for (const Fault* f : faults)
        if (f->has_values() && f->shows_in(in.problem)) given_.emplace_back(f, run(implementation(f), wide_));
}

Suspects::~Suspects() = default;

// Times as strong as in the table.
Outputs<double> Suspects::given(const Fault& fault, double times) const {
    const Strength strength(Match{&fault, times}.number());
    return run(implementation(&fault), wide_);
}

// How strong a fault is in `got`, by the projection on what it does at its own strength, `wrong`: some terms are not
// linear in their factor.
double Suspects::strength(const Fault& fault, const Quantity& quantity, const Values& wrong, const Values& got) const {
    const auto along = [&](const Values& v) { return projected(v, quantity.right, wrong, quantity.bound); };
    const double wanted = along(got);
    double last = 0, at_last = 0, times = wanted;
    // secants, to a few roundings (2^-53 each) of what is wanted
    for (int k = 0; k < 12 && std::abs(times) < most_times; ++k) {
        const double at = along(quantity.of(given(fault, times)));
        if (std::abs(at - wanted) <= 1e-15 * std::abs(wanted) || at == at_last) break;
        const double secant = times + (wanted - at) * (times - last) / (at - at_last);
        const double next = std::isnan(at) ? (times + last) / 2 : secant;  // a variance below 0
        if (!std::isnan(at)) last = times, at_last = at;
        times = next;
    }
    // the strength of the table: of a fault of 1 % the factor is the same to 1e-5
    return std::abs(times - 1) < 1e-3 ? 1 : times;
}

bool Suspects::right(const std::string& quantity, const Outputs<double>& got) const {
    const auto asked = std::ranges::find(quantities_, std::string_view(quantity), &Quantity::name);
    return asked == quantities_.end() || distance(asked->of(got), asked->right, asked->bound) <= 1;
}

std::vector<Match> Suspects::matches(const std::string& quantity, const Outputs<double>& got) const {
    const auto asked = std::ranges::find(quantities_, std::string_view(quantity), &Quantity::name);
    if (asked == quantities_.end()) return {};
    const Values values = asked->of(got);
    if (values.size() != asked->right.size()) return {};
    const double from_truth = distance(values, asked->right, asked->bound);
    if (from_truth <= 1) return {};
    std::vector<Candidate> candidates;
    const bool any_strength = says_strength(values, asked->right, asked->bound);
    for (const auto& [fault, out] : given_) {
        Outputs<double> stronger;
        const Outputs<double>* given_here = &out;
        Match match{fault};
        if (asked->of(out).size() != values.size()) continue;
        if (any_strength && fault->name.ends_with("_scaled"))
            match.times = strength(*fault, *asked, asked->of(out), values);
        // small: of the size of rounding where the mean is large
        if (!(std::abs(match.times) >= 0.05 && std::abs(match.times) < most_times)) continue;
        if (match.times != 1) stronger = given(*fault, match.times), given_here = &stronger;
        const Values wrong = asked->of(*given_here);
        const double from_fault = distance(values, wrong, with_roundings(asked->bound, wrong, roundoff_));
        if (!(from_fault <= 1 && from_truth >= 10 * from_fault)) continue;
        double largest = 0, off = 0;
        for (std::size_t i = 0; i < wrong.size(); ++i)
            largest = std::max(largest, std::abs(wrong[i])), off = std::max(off, std::abs(values[i] - wrong[i]));
        match.error = largest > 0 ? off / largest : off;
        match.slack = 4 * std::abs(match.times) / from_truth;
        const auto gives = [&](const Quantity& q) {
            const Values g = q.of(got), w = q.of(*given_here);
            return g.size() != q.bound.size() || w.size() != g.size() ||
                   distance(g, w, with_roundings(q.bound, w, roundoff_)) <= 1;
        };
        candidates.push_back({match, std::ranges::all_of(quantities_, gives)});
    }
    return best(std::move(candidates));
}

std::vector<const Fault*> all_faults() {
    std::vector<const Fault*> all;
    for (const Fault& f : table) all.push_back(&f);
    return all;
}

void name_faults(std::vector<Finding>& findings, const Inputs<double>& in, const truth::Result& t, const Bounds& bounds,
                 const Outputs<double>& got, const Implementation& again) {
    constexpr std::size_t largest = 2048;
    if (in.x.size() > largest || std::ranges::find(findings, Verdict::fail, &Finding::verdict) == findings.end())
        return;
    const Suspects suspects(all_faults(), in, t, bounds);
    std::vector<std::pair<Finding*, std::vector<Match>>> named;
    std::vector<const Fault*> faults;
    for (Finding& f : findings) {
        if (f.verdict != Verdict::fail) continue;
        named.emplace_back(&f, suspects.matches(f.quantity, got));
        for (const Match& match : named.back().second)
            if (std::ranges::find(faults, match.fault) == faults.end()) faults.push_back(match.fault);
    }
    bool confirmed = false;
    for (const Inputs<double>& other : faults.empty() ? std::vector<Inputs<double>>() : further_inputs(in)) {
        Outputs<double> more;
        try {
            more = run(again, other);
        } catch (const std::exception&) {
            // it does not give more: a script has no other calls, a kernel may refuse them. The findings stay as they
            // are
            break;
        }
        confirmed = true;
        const truth::Result also = truth::evaluate(other);
        const Suspects there(faults, other, also, error_bounds(other, also, again.accumulation(in.problem.dtype)));
        for (auto& [finding, found] : named) {
            if (found.empty() || there.right(finding->quantity, more)) continue;  // it does not show there
            const std::vector<Match> matches = there.matches(finding->quantity, more);
            std::erase_if(found, [&](const Match& f) {
                const auto same = std::ranges::find(matches, f.fault, &Match::fault);
                return same == matches.end() || std::abs(same->times - f.times) > same->slack + f.slack;
            });
        }
    }
    for (auto& [finding, found] : named) {
        // a free factor takes in much
        if (!confirmed) std::erase_if(found, [](const Match& f) { return f.times != 1; });
        if (!found.empty()) finding->note += (finding->note.empty() ? "" : "; ") + text(found);
    }
}

}  // namespace normlab::verify::faults
