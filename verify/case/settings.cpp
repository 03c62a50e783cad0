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
#include "verify/case/patterns.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

// ---- words ----

constexpr std::array<std::string_view, 4> affine_names{"both", "gamma", "beta", "none"};
constexpr std::array<std::string_view, 5> state_names{"near", "far", "at", "eps", "zero"};
constexpr std::array<std::string_view, 4> in_place_names{"none", "y", "dx", "both"};
constexpr std::array<std::string_view, 13> strides_names{"dense",
                                                         "samples",
                                                         "sliced",
                                                         "stepped",
                                                         "inputs",
                                                         "outputs",
                                                         "expanded",
                                                         "expanded_samples",
                                                         "expanded_channels",
                                                         "expanded_positions",
                                                         "expanded_samples_channels",
                                                         "expanded_samples_positions",
                                                         "expanded_channels_positions"};
constexpr std::array<std::string_view, 6> mask_names{"none", "tail", "scattered", "all", "one", "poisoned"};
constexpr std::array<std::string_view, 8> asked_names{"none",  "dx",       "dgamma",       "dx+dgamma",
                                                      "dbeta", "dx+dbeta", "dgamma+dbeta", "all"};

template <class T>
std::string shown(const T& v) {
    return fmt::format("{}", v);
}
std::string shown(const Shape& v) { return shape_text(v); }
std::string shown(Running v) { return std::string(name_of(v)); }
std::string shown(Denominator v) { return std::string(name_of(v)); }
std::string shown(DType v) { return std::string(name_of(v)); }
std::string shown(Divisor v) { return std::string(name_of(v)); }
std::string shown(Activation v) { return std::string(name_of(v)); }
std::string shown(Residual v) { return std::string(name_of(v)); }
std::string shown(AffineSet v) { return std::string(name_of(v)); }
std::string shown(Cast v) { return std::string(name_of(v)); }
std::string shown(MaskPattern v) { return std::string(mask_names[static_cast<std::size_t>(v)]); }
std::string shown(Scale v) { return std::string(name_of(v)); }
std::string shown(AffineUse v) { return std::string(affine_names[static_cast<std::size_t>(v)]); }
std::string shown(StateKind v) { return std::string(state_names[static_cast<std::size_t>(v)]); }
std::string shown(InPlace v) { return std::string(in_place_names[static_cast<std::size_t>(v)]); }
std::string shown(Strides v) { return std::string(strides_names[static_cast<std::size_t>(v)]); }
std::string shown(Asked v) { return std::string(asked_names[static_cast<std::size_t>(v)]); }
std::string shown(const std::vector<CaseStep>& v) { return steps_text(v); }
std::string shown(const Values& v) { return v.given.empty() ? v.pattern : fmt::format("{}", fmt::join(v.given, ",")); }
template <class T>
std::string shown(const std::optional<T>& v) {
    return shown(*v);
}

template <class Enum, auto& names>
Enum parse_word(std::string_view key, const std::string& word) {
    const auto found = std::ranges::find(names, word);
    if (found == names.end()) throw Error(unknown(key, word, names));
    return static_cast<Enum>(found - names.begin());
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
std::int64_t whole_in_range(std::string_view key, const std::string& word, std::int64_t most) {
    const std::int64_t v = parse_integer(key, word);
    if (v < 0 || v > most)
        throw Error(fmt::format("{} = '{}'; a whole number from 0 to {} is accepted", key, word, most));
    return v;
}
std::int64_t parse_count(std::string_view key, const std::string& word) {
    return whole_in_range(key, word, std::int64_t{1} << 53);  // a double holds it
}
std::int64_t parse_few(std::string_view key, const std::string& word) { return whole_in_range(key, word, 1024); }
Shape parse_tile(std::string_view, const std::string& word) { return parse_shape(word); }
Running parse_kept(std::string_view, const std::string& word) { return parse_running(word); }
Denominator parse_form(std::string_view, const std::string& word) { return parse_denominator(word); }
std::int32_t parse_one(std::string_view key, const std::string& word) {
    return static_cast<std::int32_t>(whole_in_range(key, word, 1));
}
Divisor parse_count_of(std::string_view, const std::string& word) { return parse_divisor(word); }
Activation parse_behind(std::string_view, const std::string& word) { return parse_activation(word); }
Residual parse_sum(std::string_view, const std::string& word) { return parse_residual(word); }
AffineSet parse_set(std::string_view, const std::string& word) { return parse_affine_set(word); }
Cast parse_rounding(std::string_view, const std::string& word) { return parse_cast(word); }
DType parse_stored(std::string_view, const std::string& word) { return parse_output(word); }
Scale parse_scale_of(std::string_view, const std::string& word) { return parse_scale(word); }
double parse_scale_value(std::string_view key, const std::string& word) {
    return in_range(key, word, 0x1p-120, "a finite number, 2^-120 or more,");
}
double parse_part(std::string_view key, const std::string& word) {
    constexpr std::string_view accepted = "a number above 0, up to 1,";
    const double v = parse_number(key, word, accepted);
    if (!(v > 0 && v <= 1)) throw Error(fmt::format("{} = '{}'; {} is accepted", key, word, accepted));
    return v;
}
DType parse_type(std::string_view, const std::string& word) { return parse_dtype(word); }
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

std::string only_of_their_own(const Case& c, std::string_view, std::string_view) {
    if ((!c.denominator && !c.divisor) || !find_variant(c.variant).make().plain()) return {};
    return fmt::format(
        "{} divides by sqrt(var + eps); a case of l2_norm or weight_standardization accepts denominator and divisor",
        c.variant);
}

std::string only_with_residual(const Case& c, std::string_view key, std::string_view text) {
    if (c.ds == Values{} || c.spec().adds()) return {};
    return fmt::format("case '{}': {} goes with residual=stored or wide", text, key);
}

std::string only_with_scale(const Case& c, std::string_view key, std::string_view text) {
    if (!c.scale_value || (c.spec().quantizes() && !c.spec().finds_scale())) return {};
    return fmt::format("case '{}': {} goes with output=e4m3 or e5m2 and scale=given", text, key);
}

std::string only_of_mean_square(const Case& c, std::string_view key, std::string_view) {
    if (!c.part || find_variant(c.variant).make().moments == Moments::mean_square) return {};
    return fmt::format(
        "{} = {}: {} does not divide by a root mean square; a case of rms_norm, partial_rms_norm or "
        "filter_response_norm accepts {}",
        key, *c.part, c.variant, key);
}

std::string only_apart(const Case& c, std::string_view key, std::string_view text) {
    if (c.problem().outputs() == c.dtype || c.in_place == InPlace::none || c.in_place == InPlace::dx) return {};
    return fmt::format("case '{}': {} of another type than x cannot lie on it; in_place=none or dx is accepted", text,
                       key);
}

std::string only_tiled(const Case& c, std::string_view, std::string_view text) {
    return c.tile && c.check != "tiled" ? fmt::format("case '{}': tile goes with check=tiled", text) : std::string();
}

std::string only_in_sequence(const Case& c, std::string_view key, std::string_view text) {
    if (c.steps.empty() || c.check == "sequence") return {};
    return fmt::format("case '{}': {} goes with check=sequence", text, key);
}

bool knows_strides(const Case& c) {
    const auto is_check = [&](std::string_view name) { return c.check == name; };
    return is_check("accuracy") || is_check("gaps") || is_check("combinations") ||
           std::ranges::any_of(quantities::outputs(), is_check, &QuantityRow::name);  // names of accuracy, too
}

std::string only_known_strides(const Case& c, std::string_view key, std::string_view text) {
    if (c.strides == Strides::dense) return {};
    if (!knows_strides(c))
        return fmt::format("case '{}': {} goes with check=accuracy, gaps or combinations", text, key);
    if (c.problem().gaps.dx.expands())
        return fmt::format("case '{}': dx cannot lie on a dy that is expanded; in_place=none or y is accepted", text);
    return {};
}

template <auto field>
std::string only_combined(const Case& c, std::string_view key, std::string_view text) {
    if (c.*field == Case().*field || c.check == "combinations") return {};
    return fmt::format("case '{}': {} goes with check=combinations", text, key);
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
std::string one_an_entry(const Case& c, std::string_view key, std::string_view text) {
    Problem p = c.problem();
    p.shape = c.tile.value_or(c.shape);
    return only_this_many(c.*field, p.affine_count(), key, text);
}

std::string only_with_threshold(const Case& c, std::string_view key, std::string_view text) {
    if (c.tau == Values{}) return {};
    if (!c.spec().thresholds()) return fmt::format("case '{}': {} goes with activation=threshold", text, key);
    return one_an_entry<&Case::tau>(c, key, text);
}

template <auto field, auto spec_field>
void take(Case& c, const Spec& wanted, const Spec& own) {
    if (!(c.*field) && wanted.*spec_field != own.*spec_field) c.*field = wanted.*spec_field;
}

void take_momentum(Case& c, const Spec& wanted, const Spec& own) {
    if (!c.momentum && wanted.momentum != own.momentum)
        c.momentum = wanted.momentum ? fmt::format("{}", *wanted.momentum) : "none";
}

// ---- by chance ----

std::int64_t divisor(std::int64_t n, Random& random) {
    std::vector<std::int64_t> all;
    for (std::int64_t d = 1; d <= n; ++d)
        if (n % d == 0) all.push_back(d);
    return random.one_of(all);
}

// Short in a case's string.
double rounded_number(double v) { return parse_number("number", fmt::format("{:.3g}", v)); }

// k / divisor with k of three digits and zeros, 100 <= k < 100 * 10^decades, evenly in its logarithm: 1 / m is how
// often a decade has m for its digits.
double by_decades(int decades, double divisor, Random& random) {
    std::int64_t digits;
    do digits = random.integer(100, 999);
    while (!random.chance(100.0 / static_cast<double>(digits)));
    double k = static_cast<double>(digits);
    for (std::int64_t zeros = random.integer(0, decades - 1); zeros > 0; --zeros) k *= 10;
    return k / divisor;  // k is whole: this is the double nearest to its decimal
}

int decades_of_kappa(DType d) {
    int decades = 0;
    for (double k = row_of(d).largest_kappa; k >= 10; k /= 10) ++decades;
    return decades;
}

void draw_groups(Case& c, Random& random) {
    if (find_variant(c.variant).make().groups > 1) c.groups = divisor(c.shape.C, random);
}
void draw_stat_batch(Case& c, Random& random) {
    const Spec spec = c.spec();
    if (spec.block.samples && may_keep_state(spec) && random.chance(0.15)) c.stat_batch = divisor(c.shape.N, random);
}
void draw_eps(Case& c, Random& random) {
    if (c.spec().has_floor()) {
        if (random.chance(0.5)) c.eps = random.one_of<double>({0, 1e-8, 1e-3, 1, 30, 1e3});
        return;
    }
    if (c.spec().eps > 0 && random.chance(0.3)) c.eps = random.one_of<double>({0, 1e-12, 1e-8, 1e-3, 0.5, 1});
}
// The forms in use: of a floor either, of weights those of norms/variants/weight_standardization.hpp.
void draw_denominator(Case& c, Random& random) {
    const Spec own = find_variant(c.variant).make();
    if (own.plain() || !random.chance(0.5)) return;
    if (own.has_floor()) return void(c.denominator = Denominator::floor_root);
    const bool scaled = random.chance(0.5);
    c.denominator = scaled ? Denominator::floor_root : Denominator::root;
    c.divisor = scaled ? Divisor::one : Divisor::own;
}
void draw_with_denominator(Case&, Random&) {}
void draw_r_max(Case& c, Random& random) {
    if (c.spec().correction == Correction::renorm && random.chance(0.3)) c.r_max = random.one_of<double>({1, 1.5, 10});
}
void draw_d_max(Case& c, Random& random) {
    if (c.r_max) c.d_max = random.one_of<double>({0, 0.5, 20});
}
void draw_affine(Case& c, Random& random) {
    if (!random.chance(0.6)) c.affine = static_cast<AffineUse>(random.integer(0, 3));
}
void draw_state(Case& c, Random& random) {
    const auto drawn = static_cast<StateKind>(random.integer(0, 2));
    if (c.spec().running != Running::none) c.state = drawn;
}
void draw_momentum(Case& c, Random& random) {
    if (c.spec().running != Running::none && random.chance(0.3))
        c.momentum = random.one_of<std::string>({"0", "0.1", "0.9", "1", "none"});
}
void draw_running(Case& c, Random& random) {
    if (c.spec().running != Running::none && random.chance(0.3))
        c.running = random.one_of<Running>({Running::unbiased_variance, Running::biased_variance});
}

void draw_gamma_offset(Case& c, Random& random) {
    if (random.chance(0.1)) c.gamma_offset = 1;
}
void draw_activation(Case& c, Random& random) {
    // a threshold more often: it has an array of its own
    if (random.chance(0.07)) c.activation = static_cast<Activation>(std::min<std::int64_t>(random.integer(1, 6), 5));
}
// Types of 16 bits, beside data whose arithmetic they may have.
void draw_param_dtype(Case& c, Random& random) {
    if (arithmetic_dtype(c.dtype) == DType::f32 && random.chance(0.1))
        c.param_dtype = is_narrow(c.dtype) && random.chance(0.8) ? c.dtype : DType::bf16;
}
void draw_affine_set(Case& c, Random& random) {
    if (random.chance(0.06)) c.affine_set = static_cast<AffineSet>(random.integer(1, 3));
}
// It shows in 16 bits alone.
void draw_cast(Case& c, Random& random) {
    if (random.chance(is_narrow(c.dtype) ? 0.12 : 0.03)) c.cast = Cast::before;
}
void draw_mask(Case& c, Random& random) {
    if (!is_weights(c.spec()) && random.chance(0.06)) c.mask = static_cast<MaskPattern>(random.integer(1, 5));
}
// x and a y of another type have memory of their own.
void keep_apart(Case& c) {
    if (c.problem().outputs() == c.dtype) return;
    if (c.in_place == InPlace::y) c.in_place = InPlace::none;
    if (c.in_place == InPlace::both) c.in_place = InPlace::dx;
}
// Of 8 bits more often than of f32.
void draw_output(Case& c, Random& random) {
    if (arithmetic_dtype(c.dtype) != DType::f32 || !random.chance(0.06)) return;
    c.output = random.one_of<DType>({DType::f32, DType::e4m3, DType::e4m3, DType::e5m2});
    keep_apart(c);
}
void draw_scale(Case& c, Random& random) {
    if (c.spec().quantizes() && random.chance(0.6)) c.scale = random.one_of<Scale>({Scale::block, Scale::channels});
}
void draw_scale_power_of_two(Case& c, Random& random) {
    if (c.scale && random.chance(0.3)) c.scale_power_of_two = 1;
}
void draw_scale_inverse(Case& c, Random& random) {
    if (c.spec().quantizes() && random.chance(0.3)) c.scale_inverse = 1;
}
void draw_scale_value(Case& c, Random& random) {
    if (c.spec().quantizes() && !c.scale && random.chance(0.5))
        c.scale_value = by_decades(7, 1e8, random);  // from 1e-6
}
void draw_part(Case& c, Random& random) {
    const Spec own = find_variant(c.variant).make();
    if (own.moments == Moments::mean_square && random.chance(own.is_partial() ? 0.7 : 0.08))
        c.part = random.one_of<double>({0.001, 0.1, 0.3, 0.5, 0.75, 0.99});
}
void draw_seed(Case& c, Random& random) { c.seed = random.bits() % 1000000; }
void draw_kappa(Case& c, Random& random) {
    if (c.x.pattern == "normal" && random.chance(0.5)) c.kappa = by_decades(decades_of_kappa(c.dtype), 100, random);
}
void draw_sigma(Case& c, Random& random) {
    if (random.chance(0.3)) c.sigma = by_decades(5, 1e5, random);  // from 0.001
}
void draw_pattern(Values& v, std::span<const std::string_view> names, double p, Random& random) {
    if (random.chance(p)) v.pattern = random.one_of(names);
}
void draw_x(Case& c, Random& random) {
    draw_pattern(c.x, x_patterns, 0.3, random);
    // squares of nearly equal or tiny numbers vanish
    if (c.eps == 0.0 && (c.x.pattern == "ulp" || c.x.pattern == "edges")) c.eps.reset();
}
void draw_dy(Case& c, Random& random) { draw_pattern(c.dy, dy_patterns, 0.2, random); }
void draw_gamma(Case& c, Random& random) {
    // not the last, large: with it most checks say nothing
    draw_pattern(c.gamma, std::span(gamma_patterns).first(std::size(gamma_patterns) - 1), 0.2, random);
}
void draw_beta(Case& c, Random& random) { draw_pattern(c.beta, beta_patterns, 0.1, random); }
void draw_residual(Case& c, Random& random) {
    if (random.chance(0.08)) c.residual = random.one_of<Residual>({Residual::stored, Residual::wide});
}
void draw_residual_dtype(Case& c, Random& random) {
    if (c.residual && is_narrow(c.dtype) && random.chance(0.3)) c.residual_dtype = DType::f32;
}
void draw_ds(Case& c, Random& random) {
    if (c.residual) draw_pattern(c.ds, ds_patterns, 0.3, random);
}
void draw_tau(Case& c, Random& random) {
    if (c.spec().thresholds()) draw_pattern(c.tau, tau_patterns, 0.5, random);
}
void draw_offset(Case& c, Random& random) {
    if (random.chance(0.1)) c.offset = static_cast<double>(random.integer(-200, 200));
}

void draw_count(Case& c, Random& random) {
    if (c.spec().running != Running::none && random.chance(0.3))
        c.count = random.one_of<std::int64_t>({0, 1, 2, 1000, 1000000, (1 << 24) + 1, (std::int64_t{1} << 32) + 5});
}
void draw_steps(Case& c, Random& random) {
    if (c.check != "sequence") return;
    for (std::int64_t k = random.integer(2, 6); k > 0; --k) {
        CaseStep step{static_cast<Act>(random.integer(0, static_cast<std::int64_t>(Act::momentum)))};
        if (step.act == Act::momentum && random.chance(0.7))
            step.momentum = random.one_of<std::string>({"0", "0.5", "1", "none"});
        c.steps.push_back(std::move(step));
    }
}
void draw_asked(Case& c, Random& random) {
    if (c.check == "combinations") c.asked = static_cast<Asked>(random.integer(1, 7));
}
void draw_in_place(Case& c, Random& random) {
    if (c.check == "combinations") c.in_place = static_cast<InPlace>(random.integer(0, 3));
    keep_apart(c);
}
void draw_misaligned(Case& c, Random& random) {
    if (c.check == "combinations") c.misaligned = random.integer(0, 3);
}
void draw_threads(Case& c, Random& random) {
    if (c.check == "combinations") c.threads = random.integer(0, 8);
}
void draw_strides(Case& c, Random& random) {
    if (!knows_strides(c) || !random.chance(c.check == "gaps" ? 1 : 0.1)) return;
    c.strides = static_cast<Strides>(random.integer(1, last_strides));
    if (c.problem().gaps.dx.expands()) c.in_place = InPlace::none;
}

double up_or_down(double v, double factor, Random& random) {
    return rounded_number(random.chance(0.5) ? v * factor : v / factor);
}
void change_kappa(Case& c, Random& random) {
    c.kappa = std::clamp(up_or_down(c.kappa, by_decades(2, 100, random), random), 1.0, row_of(c.dtype).largest_kappa);
}
void change_sigma(Case& c, Random& random) { c.sigma = up_or_down(c.sigma, 1 + 2 * random.uniform(), random); }

// ---- smaller ----

void no_residual(Case& c) { c.residual.reset(), c.residual_dtype.reset(), c.ds = {}; }

void no_activation(Case& c) { c.activation.reset(), c.tau = {}; }

void no_output(Case& c) {
    c.output.reset(), c.scale.reset(), c.scale_power_of_two.reset(), c.scale_inverse.reset(), c.scale_value.reset();
}
void scale_given(Case& c) { c.scale.reset(), c.scale_power_of_two.reset(); }

void one_group(Case& c) {
    if (c.groups) c.groups = 1;
}
void no_affine(Case& c) { c.affine = AffineUse::none; }
void last_step_dropped(Case& c) {
    if (c.steps.size() > 1) c.steps.pop_back();
}
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
                                      .draw = draw_groups,
                                      .simplify = one_group,
                                      .refused = only_with_groups,
                                      .flag = "--groups"}),
    of<&Case::eps, parse_any>({.key = "eps",
                               .part = Part::layer,
                               .simplified = 3,
                               .draw = draw_eps,
                               .take = take<&Case::eps, &Spec::eps>,
                               .flag = "--eps"}),
    of<&Case::r_max, parse_any>({.key = "r_max",
                                 .part = Part::layer,
                                 .simplified = 3,
                                 .draw = draw_r_max,
                                 .refused = only_with_renorm,
                                 .take = take<&Case::r_max, &Spec::r_max>}),
    of<&Case::d_max, parse_any>({.key = "d_max",
                                 .part = Part::layer,
                                 .simplified = 3,
                                 .draw = draw_d_max,
                                 .refused = only_with_renorm,
                                 .take = take<&Case::d_max, &Spec::d_max>}),
    of<&Case::momentum, checked_momentum>(
        {.key = "momentum", .part = Part::layer, .simplified = 2, .draw = draw_momentum, .take = take_momentum}),
    of<&Case::running, parse_kept>({.key = "running",
                                    .part = Part::layer,
                                    .simplified = 2,
                                    .draw = draw_running,
                                    .take = take<&Case::running, &Spec::running>}),
    of<&Case::denominator, parse_form>({.key = "denominator",
                                        .part = Part::layer,
                                        .simplified = 3,
                                        .draw = draw_denominator,
                                        .refused = only_of_their_own,
                                        .take = take<&Case::denominator, &Spec::denominator>}),
    of<&Case::divisor, parse_count_of>({.key = "divisor",
                                        .part = Part::layer,
                                        .simplified = 3,
                                        .draw = draw_with_denominator,
                                        .refused = only_of_their_own,
                                        .take = take<&Case::divisor, &Spec::divisor>}),
    of<&Case::stat_batch, parse_integer>(
        {.key = "stat_batch", .part = Part::size, .simplified = 1, .draw = draw_stat_batch}),
    of<&Case::tile, parse_tile>({.key = "tile", .part = Part::fixed, .simplified = 0, .refused = only_tiled}),
    of<&Case::affine, parse_word<AffineUse, affine_names>>(
        {.key = "affine", .part = Part::layer, .simplified = 6, .draw = draw_affine, .simplify = no_affine}),
    of<&Case::state, parse_word<StateKind, state_names>>(
        {.key = "state", .part = Part::layer, .simplified = 4, .draw = draw_state}),
    of<&Case::count, parse_count>({.key = "count", .part = Part::layer, .simplified = 2, .draw = draw_count}),
    of<&Case::asked, parse_word<Asked, asked_names>>({.key = "asked",
                                                      .part = Part::layer,
                                                      .simplified = 6,
                                                      .draw = draw_asked,
                                                      .refused = only_combined<&Case::asked>}),
    of<&Case::in_place, parse_word<InPlace, in_place_names>>({.key = "in_place",
                                                              .part = Part::layer,
                                                              .simplified = 6,
                                                              .draw = draw_in_place,
                                                              .refused = only_combined<&Case::in_place>}),
    of<&Case::misaligned, parse_few>({.key = "misaligned",
                                      .part = Part::layer,
                                      .simplified = 6,
                                      .draw = draw_misaligned,
                                      .refused = only_combined<&Case::misaligned>}),
    of<&Case::threads, parse_few>({.key = "threads",
                                   .part = Part::layer,
                                   .simplified = 6,
                                   .draw = draw_threads,
                                   .refused = only_combined<&Case::threads>}),
    of<&Case::strides, parse_word<Strides, strides_names>>(
        {.key = "strides", .part = Part::layer, .simplified = 6, .draw = draw_strides, .refused = only_known_strides}),
    of<&Case::steps, parse_steps>({.key = "steps",
                                   .part = Part::layer,
                                   .simplified = 1,
                                   .draw = draw_steps,
                                   .simplify = last_step_dropped,
                                   .refused = only_in_sequence}),
    of<&Case::x, parse_values<x_patterns>>(
        {.key = "x", .part = Part::numbers, .simplified = 8, .draw = draw_x, .refused = one_an_element<&Case::x>}),
    of<&Case::dy, parse_values<dy_patterns>>(
        {.key = "dy", .part = Part::numbers, .simplified = 7, .draw = draw_dy, .refused = one_an_element<&Case::dy>}),
    of<&Case::gamma, parse_values<gamma_patterns>>({.key = "gamma",
                                                    .part = Part::numbers,
                                                    .simplified = 5,
                                                    .draw = draw_gamma,
                                                    .simplify = gamma_ones,
                                                    .refused = one_an_entry<&Case::gamma>}),
    of<&Case::beta, parse_values<beta_patterns>>({.key = "beta",
                                                  .part = Part::numbers,
                                                  .simplified = 5,
                                                  .draw = draw_beta,
                                                  .simplify = beta_zero,
                                                  .refused = one_an_entry<&Case::beta>}),
    of<&Case::offset, parse_offset>({.key = "offset", .part = Part::numbers, .simplified = 9, .draw = draw_offset}),
    of<&Case::kappa, parse_kappa>({.key = "kappa",
                                   .part = Part::numbers,
                                   .simplified = 11,
                                   .draw = draw_kappa,
                                   .change = change_kappa,
                                   .simplify = smaller_kappa}),
    of<&Case::param_dtype, parse_type>({.key = "param_dtype",
                                        .part = Part::numbers,
                                        .simplified = 5,
                                        .draw = draw_param_dtype,
                                        .take = take<&Case::param_dtype, &Spec::param_dtype>}),
    of<&Case::sigma, parse_sigma>(
        {.key = "sigma", .part = Part::numbers, .simplified = 10, .draw = draw_sigma, .change = change_sigma}),
    of<&Case::gamma_offset, parse_one>({.key = "gamma_offset",
                                        .part = Part::numbers,
                                        .simplified = 5,
                                        .draw = draw_gamma_offset,
                                        .take = take<&Case::gamma_offset, &Spec::gamma_offset>}),
    of<&Case::activation, parse_behind>({.key = "activation",
                                         .part = Part::numbers,
                                         .simplified = 4,
                                         .draw = draw_activation,
                                         .simplify = no_activation,
                                         .take = take<&Case::activation, &Spec::activation>}),
    of<&Case::residual, parse_sum>({.key = "residual",
                                    .part = Part::numbers,
                                    .simplified = 4,
                                    .draw = draw_residual,
                                    .simplify = no_residual,
                                    .take = take<&Case::residual, &Spec::residual>}),
    of<&Case::residual_dtype, parse_type>({.key = "residual_dtype",
                                           .part = Part::numbers,
                                           .simplified = 5,
                                           .draw = draw_residual_dtype,
                                           .take = take<&Case::residual_dtype, &Spec::residual_dtype>}),
    of<&Case::ds, parse_values<ds_patterns>>(
        {.key = "ds", .part = Part::numbers, .simplified = 5, .draw = draw_ds, .refused = only_with_residual}),
    of<&Case::affine_set, parse_set>({.key = "affine_set",
                                      .part = Part::numbers,
                                      .simplified = 13,
                                      .draw = draw_affine_set,
                                      .take = take<&Case::affine_set, &Spec::affine_set>}),
    of<&Case::cast, parse_rounding>({.key = "cast",
                                     .part = Part::numbers,
                                     .simplified = 5,
                                     .draw = draw_cast,
                                     .take = take<&Case::cast, &Spec::cast>}),
    of<&Case::mask, parse_word<MaskPattern, mask_names>>(
        {.key = "mask", .part = Part::numbers, .simplified = 5, .draw = draw_mask}),
    of<&Case::output, parse_stored>({.key = "output",
                                     .part = Part::numbers,
                                     .simplified = 5,
                                     .draw = draw_output,
                                     .simplify = no_output,
                                     .refused = only_apart,
                                     .take = take<&Case::output, &Spec::output>}),
    of<&Case::scale, parse_scale_of>({.key = "scale",
                                      .part = Part::numbers,
                                      .simplified = 5,
                                      .draw = draw_scale,
                                      .simplify = scale_given,
                                      .take = take<&Case::scale, &Spec::scale>}),
    of<&Case::scale_power_of_two, parse_one>({.key = "scale_power_of_two",
                                              .part = Part::numbers,
                                              .simplified = 5,
                                              .draw = draw_scale_power_of_two,
                                              .take = take<&Case::scale_power_of_two, &Spec::scale_power_of_two>}),
    of<&Case::scale_inverse, parse_one>({.key = "scale_inverse",
                                         .part = Part::numbers,
                                         .simplified = 5,
                                         .draw = draw_scale_inverse,
                                         .take = take<&Case::scale_inverse, &Spec::scale_inverse>}),
    of<&Case::scale_value, parse_scale_value>({.key = "scale_value",
                                               .part = Part::numbers,
                                               .simplified = 5,
                                               .draw = draw_scale_value,
                                               .refused = only_with_scale}),
    of<&Case::part, parse_part>({.key = "part",
                                 .part = Part::numbers,
                                 .simplified = 5,
                                 .draw = draw_part,
                                 .refused = only_of_mean_square,
                                 .take = take<&Case::part, &Spec::part>}),
    of<&Case::tau, parse_values<tau_patterns>>(
        {.key = "tau", .part = Part::numbers, .simplified = 5, .draw = draw_tau, .refused = only_with_threshold}),
    of<&Case::seed, parse_seed>({.key = "seed",
                                 .part = Part::numbers,
                                 .simplified = 12,
                                 .draw = draw_seed,
                                 .change = draw_seed,
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

MaskPattern parse_mask(std::string_view key, const std::string& word) {
    return parse_word<MaskPattern, mask_names>(key, word);
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
