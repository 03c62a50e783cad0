// Settings together: what is wrong only where two of them meet (three in tier full). A covering array chooses the
// cases, and truth judges them.

#include "verify/checks/combinations.hpp"

#include <algorithm>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/quantized.hpp"
#include "verify/check/running_roundings.hpp"
#include "verify/check/session.hpp"
#include "verify/checks/covering.hpp"
#include "verify/truth/range.hpp"

namespace normlab::verify {
namespace {

// One thing about a call, with so many levels, and the problems that have it.
struct Factor {
    std::string_view name;
    std::size_t levels;
    void (*set)(Case&, std::size_t level);
    bool (*has)(const Spec&) = [](const Spec&) { return true; };
    /// Implementations may decline all levels but the first: cases of others stand beside those that have all pairs.
    bool option = false;
};

template <class T>
T one(std::initializer_list<T> values, std::size_t level) {
    return values.begin()[level];
}

bool keeps_state(const Spec& s) { return may_keep_state(s); }
bool has_groups(const Spec& s) { return s.block.channels && !s.block.groups; }
bool has_slices(const Spec& s) { return s.block.samples && may_keep_state(s); }
bool has_forms(const Spec& s) { return !s.plain(); }
bool has_samples(const Spec& s) { return !is_weights(s); }
bool has_part(const Spec& s) { return s.moments == Moments::mean_square; }
bool has_renorm(const Spec& s) { return s.correction == Correction::renorm; }

void set_layout(Case& c, std::size_t k) { c.layout = static_cast<Layout>(k); }
void set_mode(Case& c, std::size_t k) { c.mode = static_cast<Mode>(k); }
void set_affine(Case& c, std::size_t k) { c.affine = static_cast<AffineUse>(k); }
void set_asked(Case& c, std::size_t k) { c.asked = static_cast<Asked>(k + 1); }
void set_in_place(Case& c, std::size_t k) { c.in_place = static_cast<InPlace>(k); }
void set_samples(Case& c, std::size_t k) { c.shape.N = one({6, 1, 70}, k); }
void set_channels(Case& c, std::size_t k) { c.shape.C = one({6, 1, 16, 66}, k); }
void set_positions(Case& c, std::size_t k) { c.shape.S = one({3, 1, 8, 67}, k); }
void set_misaligned(Case& c, std::size_t k) { c.misaligned = one({0, 1, 3}, k); }
void set_threads(Case& c, std::size_t k) { c.threads = one({1, 2, 0}, k); }
void set_eps(Case& c, std::size_t k) {
    if (k == 1) c.eps = 0.5;
}
void set_form(Case& c, std::size_t k) {
    std::vector<Case> forms{c};
    add_forms(forms, c);
    c = forms[std::min(k, forms.size() - 1)];
}
void set_groups(Case& c, std::size_t k) {
    const std::int64_t C = c.shape.C;
    const std::int64_t some = C % 3 == 0 ? 3 : std::min<std::int64_t>(C, 2);
    c.groups = one({some, std::int64_t{1}, C, C % 3 == 0 ? C / 3 : some}, k);
}
void set_slices(Case& c, std::size_t k) { c.stat_batch = one<std::int64_t>({0, 2, 1, c.shape.N}, k); }
void set_running(Case& c, std::size_t k) {
    if (k == 0) c = with_state(c);
    if (k == 1)
        c.running =
            c.spec().running == Running::biased_variance ? Running::unbiased_variance : Running::biased_variance;
    if (k == 3 && c.spec().correction == Correction::none) c.running = Running::none;
}
void set_momentum(Case& c, std::size_t k) {
    if (k > 0 && c.spec().running != Running::none) c.momentum = one({"none", "1"}, k - 1);
}
void set_count(Case& c, std::size_t k) {
    if (k > 0 && c.spec().running != Running::none)
        c.count = one<std::int64_t>({0, 1, 1000, 1000000, (std::int64_t{1} << 32) + 5}, k - 1);
}
void set_state(Case& c, std::size_t k) {
    if (c.spec().running != Running::none) c.state = one({StateKind::near, StateKind::far, StateKind::zero}, k);
}
void set_gamma_offset(Case& c, std::size_t k) {
    if (k == 1) c.gamma_offset = 1;
}
// The activation follows from the shape, so that cases have different ones. A threshold, which has another array,
// stands by itself.
void set_activation(Case& c, std::size_t k) {
    if (k == 1) c.activation = static_cast<Activation>(1 + (c.shape.N + c.shape.C + c.shape.S) % 4);
    if (k == 2) c.activation = Activation::threshold;
}
void set_params(Case& c, std::size_t k) {
    if (k == 1) c = with_narrow_params(c);
}
void set_residual(Case& c, std::size_t k) {
    if (k > 0) c.residual = k == 2 ? Residual::wide : Residual::stored;
    if (k == 2 && c.shape.S % 2 == 0) c.ds.pattern = "none";
}
void set_residual_dtype(Case& c, std::size_t k) {
    if (k == 1 && is_narrow(c.dtype)) c.residual = c.residual.value_or(Residual::stored), c.residual_dtype = DType::f32;
}
// The set follows from the shape, so that cases have different ones.
void set_entries(Case& c, std::size_t k) {
    if (k == 1) c.affine_set = static_cast<AffineSet>(1 + (c.shape.N + 2 * c.shape.C + c.shape.S) % 3);
}
void set_strides(Case& c, std::size_t k) {
    c.strides = static_cast<Strides>(k);
    if (c.strides == Strides::stepped) c.residual = Residual::stored;  // whose s may lie on the residual
}
void set_cast(Case& c, std::size_t k) {
    if (k == 1) c.cast = Cast::before;
}
// The mask follows from the shape, so that cases have different ones.
void set_mask(Case& c, std::size_t k) {
    if (k == 1) c.mask = static_cast<MaskPattern>(1 + (c.shape.N + c.shape.C + 2 * c.shape.S) % 5);
}
// f32; of 8 bits a scale that is given, and those that are found, in their forms. y is then not x.
void set_output(Case& c, std::size_t k) {
    if (k == 0 || arithmetic_dtype(c.dtype) != DType::f32 || (k == 1 && !is_narrow(c.dtype))) return;
    c.output = k == 1 ? DType::f32 : k == 4 ? DType::e5m2 : DType::e4m3;
    if (k > 2) c.scale = k == 3 ? Scale::block : Scale::channels;
    if (k == 4) c.scale_power_of_two = 1;
    if (k == 5) c.scale_inverse = 1;
    if (c.in_place == InPlace::y) c.in_place = InPlace::none;
    if (c.in_place == InPlace::both) c.in_place = InPlace::dx;
}
void set_part(Case& c, std::size_t k) {
    if (k > 0) c.part = k == 1 ? 0.3 : 0.75;
}
void set_limits(Case& c, std::size_t k) {
    if (k == 1) c.r_max = 1, c.d_max = 0;
}

// Groups after channels, state after the variant's own.
constexpr Factor factors[] = {
    {"layout", 2, set_layout},
    {"mode", 2, set_mode},
    {"gamma, beta", 4, set_affine},
    {"asked for", 7, set_asked},
    {"in place", 4, set_in_place},
    {"N", 3, set_samples},
    {"C", 4, set_channels},
    {"S", 4, set_positions},
    {"misaligned", 3, set_misaligned},
    {"threads", 3, set_threads},
    {"eps", 2, set_eps},
    {"denominator", 4, set_form, has_forms},
    {"groups", 4, set_groups, has_groups},
    {"stat_batch", 4, set_slices, has_slices},
    {"running", 4, set_running, keeps_state},
    {"momentum", 3, set_momentum, keeps_state},
    {"count", 6, set_count, keeps_state},
    {"state", 3, set_state, keeps_state},
    {"limits", 2, set_limits, has_renorm},
    {.name = "param_dtype", .levels = 2, .set = set_params, .option = true},
    {.name = "gamma_offset", .levels = 2, .set = set_gamma_offset, .option = true},
    {.name = "activation", .levels = 3, .set = set_activation, .option = true},
    {.name = "residual", .levels = 3, .set = set_residual, .option = true},
    {.name = "residual_dtype", .levels = 2, .set = set_residual_dtype, .option = true},
    {.name = "affine_set", .levels = 2, .set = set_entries, .option = true},
    {.name = "cast", .levels = 2, .set = set_cast, .option = true},
    {.name = "mask", .levels = 2, .set = set_mask, .has = has_samples, .option = true},
    {.name = "strides", .levels = last_strides + 1, .set = set_strides, .option = true},
    {.name = "output", .levels = 6, .set = set_output, .option = true},
    {.name = "part", .levels = 3, .set = set_part, .has = has_part, .option = true},
};

std::vector<const Factor*> factors_of(std::string_view variant) {
    const Spec spec = find_variant(variant).make();
    std::vector<const Factor*> chosen;
    for (const Factor& f : factors)
        if (f.has(spec)) chosen.push_back(&f);
    return chosen;
}

Case combined(Case c, const std::vector<const Factor*>& chosen, const Row& row) {
    for (std::size_t k = 0; k < chosen.size(); ++k) chosen[k]->set(c, row[k]);
    return c;
}

std::size_t strength_of(Tier tier) { return tier == Tier::full ? 3 : 2; }

// Of a variant, for all dtypes and implementations.
const Covering& covering_of(std::string_view variant, std::size_t strength) {
    static std::mutex lock;
    static std::map<std::pair<std::string, std::size_t>, Covering> known;
    const std::lock_guard guard(lock);
    const auto [at, is_new] = known.try_emplace({std::string(variant), strength});
    if (is_new) {
        const std::vector<const Factor*> chosen = factors_of(variant);
        Case base;
        base.variant = variant;
        // The long ones are of other checks.
        const auto with = [&](std::size_t option, std::size_t level, std::size_t covered) {
            std::vector<std::size_t> levels;
            for (const Factor* f : chosen) levels.push_back(f->option ? 1 : f->levels);
            const auto put = [&](Row row) {
                if (option < row.size()) row[option] = level;
                return row;
            };
            Covering covering = covering_array(levels, covered, [&](const Row& row) {
                const Case c = combined(base, chosen, put(row));
                return is_valid(c) && c.shape.size() <= 40000;
            });
            for (Row& row : covering.rows) row = put(row);
            return covering;
        };
        at->second = with(chosen.size(), 0, strength);
        for (std::size_t k = 0; k < chosen.size(); ++k)
            for (std::size_t level = 1; chosen[k]->option && level < chosen[k]->levels; ++level)
                for (Row& row : with(k, level, 1).rows) at->second.rows.push_back(std::move(row));
    }
    return at->second;
}

// Whether a row has an option that this case cannot have: f64 has no other type of parameters.
bool lacks_option(const Case& base, const std::vector<const Factor*>& chosen, const Row& row) {
    for (std::size_t k = 0; k < row.size(); ++k) {
        if (!chosen[k]->option || row[k] == 0) continue;
        Case c = base;
        chosen[k]->set(c, row[k]);
        if (c == base) return true;
    }
    return false;
}

// Those of the base's layout and mode, which are factors too.
std::vector<Case> combination_cases(const Case& base, Tier tier) {
    const std::vector<const Factor*> chosen = factors_of(base.variant);
    std::vector<Case> cases;
    const std::vector<Row>& rows = covering_of(base.variant, strength_of(tier)).rows;
    for (std::size_t k = 0; k < rows.size(); ++k) {
        if (lacks_option(base, chosen, rows[k])) continue;
        Case c = combined(base, chosen, rows[k]);
        c.seed = k + 1;
        if (c.layout == base.layout && c.mode == base.mode) cases.push_back(c);
        if (tier == Tier::smoke && cases.size() == 4) break;
    }
    return cases;
}

std::vector<Finding> combinations(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const truth::Result t = truth::evaluate(in);
    const Accumulation accumulation = implementation.accumulation(c.dtype);
    Bounds bounds = error_bounds(in, t, accumulation);
    add_update_roundings(bounds, in, t, accumulation), add_state_rounding(bounds, in, t, implementation);
    const auto asked = static_cast<unsigned>(c.asked);
    const Wanted wanted{(asked & 1) != 0, (asked & 2) != 0, (asked & 4) != 0};
    Session session(implementation, in.problem,
                    {.threads = static_cast<int>(c.threads),
                     .offset = static_cast<std::size_t>(c.misaligned),
                     .in_place = c.in_place});
    session.write(in);
    session.forward();
    const auto written_now = [&] { return c.strides == Strides::dense ? 0 : session.written_between(); };
    std::size_t written = written_now();
    if (asked != 0) session.backward(wanted), written += written_now();
    Outputs<double> out = session.outputs();
    for (const QuantityRow& q : quantities::outputs(in.problem))  // nothing is wrong with what is not asked for
        if (!is_asked(q.quantity, wanted))
            for (const truth::Wide& v : q.in(t)) (out.*q.output).push_back(v.high);
    const bool saturated = accept_saturation(in, accumulation, out, t, bounds) > 0;

    const bool keeps = in.problem.spec.running != Running::none, moves = keeps && c.mode == Mode::train;
    std::vector<Finding> all;
    for (const QuantityRow& q : quantities::results()) {
        const bool there = q.saved ? !q.in(out).empty() : q.output ? is_asked(q.quantity, wanted) : moves;
        if (!q.is_of(in.problem) && q.output) continue;
        if (q.quantity == Quantity::y && in.problem.spec.quantizes()) {
            if (!saturated) std::ranges::move(judge_quantized(in, t, bounds.y, {}, out), std::back_inserter(all));
            continue;
        }
        Problem p = in.problem;
        if (!q.output) p.dtype = DType::f64, p.shape = {1, static_cast<std::int64_t>(q.in(out).size()), 1};
        if (there) all.push_back(compare(q.name_in(p.spec), q.stored(p), q.in(out), q.in(t), bounds.*q.bound));
    }
    if (c.strides != Strides::dense) all.push_back(gaps_written(written));
    if (moves) all.push_back(measured("updates miscounted", out.state.count != in.state.count + t.steps, 0));
    if (keeps && !moves) {
        const bool same = out.state.mean == in.state.mean && spread_of(out.state) == spread_of(in.state) &&
                          out.state.count == in.state.count;
        all.push_back(measured("State changed by evaluation", !same, 0));
    }
    return all;
}

}  // namespace

std::string combinations_coverage(std::string_view variant, Tier tier) {
    const std::size_t strength = strength_of(tier);
    const Covering& covering = covering_of(variant, strength);
    const std::vector<const Factor*> chosen = factors_of(variant);
    const auto options = std::ranges::count(chosen, true, &Factor::option);
    std::string text = fmt::format("{} cases have all {} {} of levels of {} factors, and each level beside {}",
                                   covering.rows.size(), covering.covered, strength == 2 ? "pairs" : "triples",
                                   std::ssize(chosen) - options, options == 1 ? "an option" : "each option");
    if (covering.impossible) text += fmt::format(" ({} more exclude each other)", covering.impossible);
    return text;
}

extern const Check combinations_check{
    "combinations",
    "settings together, every pair of them (tier full: every three): absent parameters, gradients asked for, one "
    "or many samples, channels or positions, layout, mode, in place, misaligned, threads, eps, groups, State and its "
    "age. Within "
    "the bounds of truth",
    false,
    always,
    combination_cases,
    combinations,
    true,
    true,
    true,
    true};

}  // namespace normlab::verify
