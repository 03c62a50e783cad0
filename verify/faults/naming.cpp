#include "verify/faults/naming.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "norms/plugin.hpp"
#include "system/guarded_memory.hpp"
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
// A value that a fault moves by so many tolerances is seen to be moved.
constexpr double visible = 10;

Values as_doubles(const std::vector<truth::Wide>& v) {
    Values d;
    for (const truth::Wide& q : v) d.push_back(q.high);
    return d;
}

// The largest distance in bounds.
double distance(const Values& a, const Values& b, const Values& bound) {
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, Finding::ratio(std::abs(a[i] - b[i]), bound[i]));
    return worst;
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

}  // namespace

// What is saved and y, dx and dgamma are computed from: where it is wrong and the fault leaves it, something before the
// fault is.
bool Suspects::is_input_of(const Quantity& saved, const Quantity& asked) {
    return saved.row->saved && saved.row->quantity != verify::Quantity::var && asked.row->output &&
           asked.row->quantity != verify::Quantity::dbeta && asked.row->quantity != verify::Quantity::s;
}

std::vector<Match> best(std::vector<Match> matches) {
    const auto keep = [&](auto good) {
        if (std::ranges::any_of(matches, good)) std::erase_if(matches, [&](const Match& m) { return !good(m); });
    };
    keep([](const Match& m) { return m.times == 1; });
    keep([](const Match& m) { return m.explains_all; });
    return matches;
}

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

namespace {

// Some faults write where nothing may be written: that is theirs, not the plug-in's in whose process they run.
Outputs<double> run_fault(const Fault& fault, const Inputs<double>& in, DType data) {
    const system::UnguardedCalls unguarded;
    const CastType cast(data);
    return run(implementation(&fault), in);
}

}  // namespace

Suspects::Suspects(std::vector<const Fault*> faults, const Inputs<double>& in, const truth::Result& t,
                   const Bounds& b) {
    for (const auto rows : {quantities::results(), quantities::second()})
        for (const QuantityRow& q : rows)
            if (!(b.*q.bound).empty())
                quantities_.push_back({q.name_in(in.problem.spec), as_doubles(q.in(t)), b.*q.bound, &q});
    wide_ = in.as<double>(DType::f64);
    from_ = in.problem;
    for (const Fault* f : faults)
        if (f->has_values() && f->shows_in(in.problem)) given_.emplace_back(f, run_fault(*f, wide_, from_.dtype));
}

Suspects::~Suspects() = default;

// Times as strong as in the table.
Outputs<double> Suspects::given(const Fault& fault, double times) const {
    const Strength strength(Match{&fault, times}.number());
    return run_fault(fault, wide_, from_.dtype);
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

const Suspects::Quantity* Suspects::find(std::string_view name) const {
    const auto found = std::ranges::find(quantities_, name, &Quantity::name);
    return found == quantities_.end() ? nullptr : &*found;
}

// How far the value of a quantity may be off where it is to be `wrong`: the bound of right ones, and the roundings of
// the wrong one, which may be larger. Statistics are doubles: roundings to the data's dtype are none of theirs, and
// their bounds, which are relative to what they are of, grow with it, by what sums in the dtype leave at most.
Values Suspects::tolerance(const Quantity& q, const Values& wrong) const {
    const double u = unit_roundoff(from_.dtype), u_io = storage_roundoff(q.row->dtype(from_));
    Values tolerance = q.bound;
    for (std::size_t i = 0; i < std::min(tolerance.size(), wrong.size()); ++i) {
        const double size = std::abs(wrong[i]);
        if (q.row->output) tolerance[i] += (8 * u + u_io) * size;
        else {
            const double larger = std::max(size / std::max(std::abs(q.right[i]), 1e-300) - 1, 0.0);
            tolerance[i] += std::min(q.bound[i] * larger, 8 * u * size) + 0x1p-50 * size;
        }
    }
    return tolerance;
}

Agreement Suspects::agreement(const Match& match, std::string_view quantity, const Outputs<double>& got) const {
    const Quantity* asked = find(quantity);
    if (!asked) return {};
    const auto own = std::ranges::find(given_, match.fault, &std::pair<const Fault*, Outputs<double>>::first);
    if (own == given_.end()) return {};  // it cannot show here
    return agreement(match.times == 1 ? own->second : given(*match.fault, match.times), *asked, got);
}

Agreement Suspects::agreement(const Outputs<double>& out, const Quantity& asked, const Outputs<double>& got) const {
    Agreement a{.explains_all = true};
    for (const Quantity& q : quantities_) {
        const Values wrong = q.of(out), values = q.of(got);
        if (wrong.size() != q.right.size() || values.size() != q.right.size()) {
            if (&q == &asked) return {};
            continue;
        }
        // A backward pass of its own says nothing of the forward pass, and what a script leaves out nothing of either.
        if (&q != &asked &&
            ((q.row->by && !asked.row->by) || std::ranges::all_of(values, [](double v) { return std::isnan(v); })))
            continue;
        const Values allowed = tolerance(q, wrong);
        const double from_fault = distance(values, wrong, allowed), moved = distance(wrong, q.right, allowed);
        a.explains_all &= from_fault <= 1;
        a.contradicted |= moved >= visible && distance(values, q.right, q.bound) <= 1;
        a.contradicted |= moved < 1 && from_fault > 1 && is_input_of(q, asked);
        if (&q != &asked) continue;
        a.fits = from_fault <= 1, a.shows = moved >= visible;
        a.from_fault = from_fault, a.from_truth = distance(values, q.right, allowed);
        for (std::size_t i = 0; i < wrong.size(); ++i) {
            a.largest = std::max({a.largest, std::abs(wrong[i]), std::abs(q.right[i])});
            a.off = std::max(a.off, std::abs(values[i] - wrong[i]));
            a.elements += std::abs(wrong[i] - q.right[i]) > visible * allowed[i];
        }
    }
    return a;
}

std::vector<Match> Suspects::matches(const std::string& quantity, const Outputs<double>& got) const {
    return best(candidates(quantity, got));
}

std::vector<Match> Suspects::candidates(const std::string& quantity, const Outputs<double>& got) const {
    const Quantity* asked = find(quantity);
    if (!asked || asked->of(got).size() != asked->right.size()) return {};
    const Values values = asked->of(got);
    if (distance(values, asked->right, asked->bound) <= 1) return {};
    std::vector<Match> found;
    const bool any_strength = says_strength(values, asked->right, asked->bound);
    for (const auto& [fault, out] : given_) {
        if (asked->of(out).size() != values.size()) continue;
        Match match{fault};
        if (any_strength && fault->name.ends_with("_scaled"))
            match.times = strength(*fault, *asked, asked->of(out), values);
        // small: of the size of rounding where the mean is large
        if (!(std::abs(match.times) >= 0.05 && std::abs(match.times) < most_times)) continue;
        const Agreement a = agreement(match.times == 1 ? out : given(*fault, match.times), *asked, got);
        if (!a.fits || a.contradicted || !(a.from_truth >= 10 * a.from_fault) || a.from_truth <= 1) continue;
        match.error = a.largest > 0 ? a.off / a.largest : a.off;
        match.slack = 4 * std::abs(match.times) / a.from_truth;
        match.explains_all = a.explains_all, match.elements = a.elements;
        found.push_back(match);
    }
    return found;
}

std::vector<const Fault*> all_faults() {
    std::vector<const Fault*> all;
    for (const Fault& f : table) all.push_back(&f);
    return all;
}

}  // namespace normlab::verify::faults
