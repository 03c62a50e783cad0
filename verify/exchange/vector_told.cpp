#include "verify/exchange/vector_told.hpp"

#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "verify/check/compare.hpp"

namespace normlab::verify {
namespace {

State state_of(const Inputs<double>& in, const ByQuantity& values) {
    State s = in.state;
    s.mean = values[Quantity::running_mean];
    spread_of(s) = values[Quantity::running_spread];
    s.count = static_cast<std::int64_t>(values[Quantity::count][0]);
    return s;
}

// Which elements of a quantity come from a block with var + eps = 0 and a mean: its condition is infinite, what any
// arithmetic gives there says nothing.
std::vector<bool> without_condition(Quantity q, const Told& t) {
    std::vector<bool> without(t.values[q].size());
    for (std::size_t k = 0; k < t.truth.blocks.size(); ++k) {
        const truth::Block& b = t.truth.blocks[k];
        if (b.s != 0 || b.mean == 0) continue;
        const QuantityRow& row = row_of(q);
        if (row.output && q != Quantity::dbeta)
            for (std::size_t i : b.elements) without[row.per == Per::entry ? t.in.problem.affine_entry(i) : i] = true;
        else if (row_of(q).per == Per::block && q != Quantity::mean) without[k] = true;
    }
    return without;
}

// A few of the values, for people.
class Shown {
public:
    void add(double v) {
        ++count_;
        if (values_.size() < 4) values_.insert(fmt::format("{:.3g}", v));
    }
    std::string note(std::size_t of, std::string_view why) const {
        if (count_ == 0) return {};
        return fmt::format("{} of {} {}; ours: {}{}", count_, of, why, fmt::join(values_, ", "),
                           values_.size() == 4 ? ", ..." : "");
    }

private:
    std::size_t count_ = 0;
    std::set<std::string> values_;
};

}  // namespace

std::vector<Told> told(const std::vector<Step>& steps) {
    std::vector<Told> all;
    for (const Step& step : steps) {
        Told t{&step, step.in, {}, {}, {}};
        if (!all.empty()) {
            const Told& last = all.back();
            t.in.state = state_of(last.in, last.values);
            t.before = {std::vector<double>(t.in.state.mean.size()), std::vector<double>(t.in.state.mean.size())};
            for (std::size_t c = 0; c < t.in.state.mean.size(); ++c) {
                t.before.mean[c] =
                    u64 * std::abs(t.in.state.mean[c]) + (last.before.mean.empty() ? 0 : last.before.mean[c]);
                t.before.spread[c] = u64 * std::abs(last.values[Quantity::running_spread][c]) +
                                     (last.before.spread.empty() ? 0 : last.before.spread[c]);
            }
        }
        t.truth = truth::evaluate(t.in);
        t.values = values_of(t.in, t.truth);
        all.push_back(std::move(t));
    }
    return all;
}

ByQuantity truth_bounds(const Told& t) {
    ByQuantity bounds = t.values;
    for (const QuantityRow& q : quantities::all())
        for (double& v : bounds[q.quantity]) v = u64 * std::abs(v);
    if (t.before.mean.empty()) return bounds;
    const ByQuantity none = bounds_of(t.in, t.truth, Accumulation::f64, {}),
                     inherited = bounds_of(t.in, t.truth, Accumulation::f64, t.before);
    for (const QuantityRow& q : quantities::all())
        for (std::size_t i = 0; i < none[q.quantity].size(); ++i)
            bounds[q.quantity][i] += inherited[q.quantity][i] - none[q.quantity][i];
    return bounds;
}

Finding judged(const Target& target, const Told& t, const ByQuantity& got, const ByQuantity& bounds) {
    const Quantity q = target.quantity;
    Problem p = t.in.problem;
    if (row_of(q).per != Per::element) p.shape = {1, static_cast<std::int64_t>(target.values.size()), 1};
    if (!row_of(q).output || is_narrow(p.params())) p = row_of(q).stored(p);  // State and Saved are f64
    std::vector<double> ours = got[q], wanted = target.values, bound = bounds[q];
    const std::vector<double>& truth = t.values[q];
    Shown not_finite, no_condition;
    if (ours.size() == wanted.size() && bound.size() == wanted.size() && truth.size() == wanted.size()) {
        const std::vector<bool> without = without_condition(q, t);
        const std::vector<double> outside = outside_error(target, t.in, t.truth, without);
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            const bool finite = std::isfinite(wanted[i]);
            if (!finite) not_finite.add(ours[i]);
            else if (without[i]) no_condition.add(ours[i]);
            // nothing to compare with
            if (without[i] || (!finite && !std::isfinite(truth[i]))) ours[i] = wanted[i] = bound[i] = 0;
            else if (finite) bound[i] += outside[i];
            else wanted[i] = truth[i];
        }
    }
    Finding f = compare(target.name, p, ours, {wanted.begin(), wanted.end()}, bound);
    if (const std::string word = "truth"; f.where.find(word) != std::string::npos)
        f.where.replace(f.where.find(word), word.size(), "outside");
    for (const std::string& note : {not_finite.note(wanted.size(), "are not finite outside"),
                                    no_condition.note(wanted.size(), "are of blocks with var + eps = 0: no target")})
        f.note += (f.note.empty() || note.empty() ? "" : "; ") + note;
    return f;
}

}  // namespace normlab::verify
