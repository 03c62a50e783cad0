#include "verify/case/settings.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "verify/case/chance.hpp"
#include "verify/case/patterns.hpp"

namespace normlab::verify {
namespace {

// ---- words ----

constexpr std::array<std::string_view, 4> affine_names{"both", "gamma", "beta", "none"};
constexpr std::array<std::string_view, 3> state_names{"near", "far", "at"};

template <class T>
std::string shown(const T& v) {
    return fmt::format("{}", v);
}
std::string shown(const Shape& v) { return shape_text(v); }
std::string shown(Running v) { return std::string(name_of(v)); }
std::string shown(AffineUse v) { return std::string(affine_names[static_cast<std::size_t>(v)]); }
std::string shown(StateKind v) { return std::string(state_names[static_cast<std::size_t>(v)]); }
std::string shown(const Values& v) { return v.given.empty() ? v.pattern : fmt::format("{}", fmt::join(v.given, ",")); }
template <class T>
std::string shown(const std::optional<T>& v) {
    return shown(*v);
}

template <class Enum, auto& names>
Enum parse_word(std::string_view key, const std::string& word) {
    return static_cast<Enum>(place_of(key, word, names));
}

template <auto& names>
Values parse_values(std::string_view key, const std::string& text) {
    if (std::ranges::find(names, text) != std::end(names)) return {text, {}};
    if (text.empty() || std::isalpha(static_cast<unsigned char>(text[0])))
        throw Error(unknown(key, text, names) + "; or numbers, comma separated");
    Values v{"", {}};
    std::istringstream in(text + ",");
    for (std::string part; std::getline(in, part, ',');) {
        v.given.push_back(parse_number(key, part));
        if (!std::isfinite(v.given.back()))
            throw Error(fmt::format("{} = '{}'; finite numbers are accepted", key, part));
    }
    return v;
}

double in_range(std::string_view key, const std::string& word, double least, std::string_view accepted) {
    const double v = parse_number(key, word, accepted);
    if (!(v >= least) || !std::isfinite(v)) throw Error(fmt::format("{} = '{}'; {} is accepted", key, word, accepted));
    return v;
}

double parse_any(std::string_view key, const std::string& word) { return parse_number(key, word); }
double parse_offset(std::string_view key, const std::string& word) {
    return in_range(key, word, std::numeric_limits<double>::lowest(), "a finite number");
}
double parse_kappa(std::string_view key, const std::string& word) {
    return in_range(key, word, 1, "a finite number, 1 or more,");
}
double parse_sigma(std::string_view key, const std::string& word) {
    return in_range(key, word, 0, "a finite number, 0 or more,");
}
Shape parse_tile(std::string_view, const std::string& word) { return parse_shape(word); }
Running parse_kept(std::string_view, const std::string& word) { return parse_running(word); }
// any: the names are in verify/checks
std::string parse_check(std::string_view, const std::string& word) { return word; }
std::string checked_momentum(std::string_view, const std::string& word) {
    parse_momentum(word);
    return word;
}

// ---- what goes with what ----

std::string only_with_groups(const Case& c, std::string_view, std::string_view) {
    if (!c.groups || find_variant(c.variant).make().groups != 1) return {};
    return fmt::format("G = {}: {} has no groups; a case of group_norm accepts G", *c.groups, c.variant);
}

std::string only_with_renorm(const Case& c, std::string_view, std::string_view) {
    if ((!c.r_max && !c.d_max) || find_variant(c.variant).make().correction != Correction::none) return {};
    return fmt::format("{} has no r and d; a case of batch_renorm accepts r_max and d_max", c.variant);
}

std::string only_tiled(const Case& c, std::string_view, std::string_view text) {
    return c.tile && c.check != "tiled" ? fmt::format("case '{}': tile goes with check=tiled", text) : std::string();
}

std::string only_this_many(const Values& v, std::int64_t count, std::string_view key, std::string_view text) {
    if (v.given.empty() || std::ssize(v.given) == count) return {};
    return fmt::format("case '{}': {} has {} values; {} are accepted", text, key, v.given.size(), count);
}

template <auto field>
std::string one_an_element(const Case& c, std::string_view key, std::string_view text) {
    return only_this_many(c.*field, c.tile.value_or(c.shape).size(), key, text);
}

template <auto field>
std::string one_a_channel(const Case& c, std::string_view key, std::string_view text) {
    return only_this_many(c.*field, c.tile.value_or(c.shape).C, key, text);
}

template <auto field, auto spec_field>
void take(Case& c, const Spec& wanted, const Spec& own) {
    if (!(c.*field) && wanted.*spec_field != own.*spec_field) c.*field = wanted.*spec_field;
}

void take_momentum(Case& c, const Spec& wanted, const Spec& own) {
    if (!c.momentum && wanted.momentum != own.momentum)
        c.momentum = wanted.momentum ? fmt::format("{}", *wanted.momentum) : "none";
}

// ---- smaller ----

void one_group(Case& c) {
    if (c.groups) c.groups = 1;
}
void no_affine(Case& c) { c.affine = AffineUse::none; }
void gamma_ones(Case& c) { c.gamma.pattern = "ones"; }
void beta_zero(Case& c) { c.beta.pattern = "zero"; }
void smaller_kappa(Case& c) { c.kappa = std::max(1.0, std::floor(c.kappa / 10)); }

// ---- the table ----

template <auto field>
std::string text_unless_default(const Case& c) {
    static const auto otherwise = Case().*field;
    return c.*field == otherwise ? std::string() : shown(c.*field);
}
template <auto field>
std::string text_always(const Case& c) {
    return shown(c.*field);
}
template <auto field, auto parser>
void parse_field(Case& c, std::string_view key, const std::string& word) {
    c.*field = parser(key, word);
}
template <auto field>
void reset_field(Case& c) {
    c.*field = Case().*field;
}

template <auto field, auto parser>
Setting of(Setting s) {
    if (!s.text) s.text = text_unless_default<field>;
    s.parse = parse_field<field, parser>;
    s.reset = reset_field<field>;
    if (!s.simplify) s.simplify = s.reset;
    return s;
}

const Setting table[] = {
    of<&Case::groups, parse_integer>({.key = "G",
                                      .part = Part::size,
                                      .simplified = 0,
                                      .draw = drawing::groups,
                                      .simplify = one_group,
                                      .refused = only_with_groups,
                                      .flag = "--groups"}),
    of<&Case::eps, parse_any>({.key = "eps",
                               .part = Part::layer,
                               .simplified = 3,
                               .draw = drawing::eps,
                               .take = take<&Case::eps, &Spec::eps>,
                               .flag = "--eps"}),
    of<&Case::r_max, parse_any>({.key = "r_max",
                                 .part = Part::layer,
                                 .simplified = 3,
                                 .draw = drawing::r_max,
                                 .refused = only_with_renorm,
                                 .take = take<&Case::r_max, &Spec::r_max>}),
    of<&Case::d_max, parse_any>({.key = "d_max",
                                 .part = Part::layer,
                                 .simplified = 3,
                                 .draw = drawing::d_max,
                                 .refused = only_with_renorm,
                                 .take = take<&Case::d_max, &Spec::d_max>}),
    of<&Case::momentum, checked_momentum>(
        {.key = "momentum", .part = Part::layer, .simplified = 2, .draw = drawing::momentum, .take = take_momentum}),
    of<&Case::running, parse_kept>({.key = "running",
                                    .part = Part::layer,
                                    .simplified = 2,
                                    .draw = drawing::running,
                                    .take = take<&Case::running, &Spec::running>}),
    of<&Case::stat_batch, parse_integer>(
        {.key = "stat_batch", .part = Part::size, .simplified = 1, .draw = drawing::stat_batch}),
    of<&Case::tile, parse_tile>({.key = "tile", .part = Part::fixed, .simplified = 0, .refused = only_tiled}),
    of<&Case::affine, parse_word<AffineUse, affine_names>>(
        {.key = "affine", .part = Part::layer, .simplified = 6, .draw = drawing::affine, .simplify = no_affine}),
    of<&Case::state, parse_word<StateKind, state_names>>(
        {.key = "state", .part = Part::layer, .simplified = 4, .draw = drawing::state}),
    of<&Case::x, parse_values<x_patterns>>(
        {.key = "x", .part = Part::numbers, .simplified = 8, .draw = drawing::x, .refused = one_an_element<&Case::x>}),
    of<&Case::dy, parse_values<dy_patterns>>({.key = "dy",
                                              .part = Part::numbers,
                                              .simplified = 7,
                                              .draw = drawing::dy,
                                              .refused = one_an_element<&Case::dy>}),
    of<&Case::gamma, parse_values<gamma_patterns>>({.key = "gamma",
                                                    .part = Part::numbers,
                                                    .simplified = 5,
                                                    .draw = drawing::gamma,
                                                    .simplify = gamma_ones,
                                                    .refused = one_a_channel<&Case::gamma>}),
    of<&Case::beta, parse_values<beta_patterns>>({.key = "beta",
                                                  .part = Part::numbers,
                                                  .simplified = 5,
                                                  .draw = drawing::beta,
                                                  .simplify = beta_zero,
                                                  .refused = one_a_channel<&Case::beta>}),
    of<&Case::offset, parse_offset>({.key = "offset", .part = Part::numbers, .simplified = 9, .draw = drawing::offset}),
    of<&Case::kappa, parse_kappa>({.key = "kappa",
                                   .part = Part::numbers,
                                   .simplified = 11,
                                   .draw = drawing::kappa,
                                   .change = changing::kappa,
                                   .simplify = smaller_kappa}),
    of<&Case::sigma, parse_sigma>(
        {.key = "sigma", .part = Part::numbers, .simplified = 10, .draw = drawing::sigma, .change = changing::sigma}),
    of<&Case::seed, parse_seed>({.key = "seed",
                                 .part = Part::numbers,
                                 .simplified = 12,
                                 .draw = drawing::seed,
                                 .change = drawing::seed,
                                 .text = text_always<&Case::seed>}),
    of<&Case::check, parse_check>(
        {.key = "check", .part = Part::fixed, .simplified = 0, .text = text_always<&Case::check>}),
};

}  // namespace

std::span<const Setting> settings() { return table; }

std::vector<const Setting*> settings_of(Part part) {
    std::vector<const Setting*> chosen;
    for (const Setting& s : table)
        if (s.part == part) chosen.push_back(&s);
    return chosen;
}

std::vector<std::vector<const Setting*>> settings_to_simplify() {
    std::map<int, std::vector<const Setting*>> places;
    for (const Setting& s : table)
        if (s.simplified) places[s.simplified].push_back(&s);
    std::vector<std::vector<const Setting*>> in_order;
    for (auto& [place, together] : places) in_order.push_back(std::move(together));
    return in_order;
}

}  // namespace normlab::verify
