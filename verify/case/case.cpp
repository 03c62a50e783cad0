#include "verify/case/case.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "verify/case/patterns.hpp"

namespace normlab::verify {
namespace {

constexpr std::array<std::string_view, 4> affine_names{"both", "gamma", "beta", "none"};
constexpr std::array<std::string_view, 3> state_names{"near", "far", "at"};
constexpr std::array<std::string_view, 19> keys{"G", "tile",  "eps",   "r_max", "d_max",  "momentum", "running", "stat_batch", "affine", "state",
                                                "x",  "dy",    "gamma", "beta",   "kappa",    "sigma",   "offset",     "seed",   "check"};

template <class Enum>
Enum parse_word(std::string_view what, const std::string& word, std::span<const std::string_view> names) {
    const auto found = std::ranges::find(names, word);
    if (found == names.end()) throw Error(unknown(what, word, names));
    return static_cast<Enum>(found - names.begin());
}

template <class Number>
Number parse_whole(std::string_view what, const std::string& text, std::string_view accepted) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        throw Error(fmt::format("{} = '{}'; {} is accepted", what, text, accepted));
    return value;
}

double parse_in_range(std::string_view what, const std::string& text, double least, std::string_view accepted) {
    const double v = parse_whole<double>(what, text, accepted);
    if (!(v >= least) || !std::isfinite(v)) throw Error(fmt::format("{} = '{}'; {} is accepted", what, text, accepted));
    return v;
}

Values parse_values(const std::string& key, const std::string& text) {
    const std::vector<std::string_view> names = pattern_names(key);
    if (std::ranges::find(names, text) != names.end()) return {text, {}};
    if (text.empty() || std::isalpha(static_cast<unsigned char>(text[0]))) throw Error(unknown(key, text, names) + "; or numbers, comma separated");
    Values v{"", {}};
    std::istringstream in(text + ",");
    for (std::string part; std::getline(in, part, ',');) {
        v.given.push_back(parse_number(key, part));
        if (!std::isfinite(v.given.back())) throw Error(fmt::format("{} = '{}'; finite numbers are accepted", key, part));
    }
    return v;
}

// The flag that brings the implementation in, after a space; nothing for built-in ones.
std::string origin_of(const std::string& implementation) {
    for (const Implementation* i : implementations())
        if (i->name() == implementation && !i->origin().empty()) return " " + i->origin();
    return {};
}

std::string values_text(const Values& v) { return v.given.empty() ? v.pattern : fmt::format("{}", fmt::join(v.given, ",")); }

void set(Case& c, const std::string& key, const std::string& value) {
    if (key == "G") c.groups = parse_integer(key, value);
    else if (key == "eps") c.eps = parse_number(key, value);
    else if (key == "r_max") c.r_max = parse_number(key, value);
    else if (key == "d_max") c.d_max = parse_number(key, value);
    else if (key == "momentum") parse_momentum(value), c.momentum = value;
    else if (key == "running") c.running = parse_running(value);
    else if (key == "stat_batch") c.stat_batch = parse_integer(key, value);
    else if (key == "tile") c.tile = parse_shape(value);
    else if (key == "affine") c.affine = parse_word<AffineUse>(key, value, affine_names);
    else if (key == "state") c.state = parse_word<StateKind>(key, value, state_names);
    else if (key == "x") c.x = parse_values(key, value);
    else if (key == "dy") c.dy = parse_values(key, value);
    else if (key == "gamma") c.gamma = parse_values(key, value);
    else if (key == "beta") c.beta = parse_values(key, value);
    else if (key == "offset") c.offset = parse_in_range(key, value, std::numeric_limits<double>::lowest(), "a finite number");
    else if (key == "kappa") c.kappa = parse_in_range(key, value, 1, "a finite number, 1 or more,");
    else if (key == "sigma") c.sigma = parse_in_range(key, value, 0, "a finite number, 0 or more,");
    else if (key == "seed") c.seed = parse_seed(key, value);
    else if (key == "check") c.check = value;
    else throw Error(unknown("setting", key, keys));
}

}  // namespace

double parse_number(std::string_view what, const std::string& text) { return parse_whole<double>(what, text, "a number"); }
std::int64_t parse_integer(std::string_view what, const std::string& text) { return parse_whole<std::int64_t>(what, text, "a whole number"); }

std::uint64_t parse_seed(std::string_view what, const std::string& text) {
    return parse_whole<std::uint64_t>(what, text, "a whole number, 0 or more,");
}

std::optional<double> parse_momentum(const std::string& text) {
    if (text == "none") return std::nullopt;
    return parse_whole<double>("momentum", text, "a number in [0, 1], or none,");
}

Shape parse_shape(const std::string& text) {
    std::vector<std::int64_t> dims;
    std::istringstream in(text + "x");
    for (std::string part; std::getline(in, part, 'x');)
        dims.push_back(parse_whole<std::int64_t>("shape", part, fmt::format("in {}, NxCxS (such as 8x3x5)", text)));
    return activation_shape(dims);
}

Spec Case::spec() const {
    Spec s = find_variant(variant).make();
    if (groups) s.groups = *groups;
    if (eps) s.eps = *eps;
    if (r_max) s.r_max = *r_max;
    if (d_max) s.d_max = *d_max;
    if (momentum) s.momentum = parse_momentum(*momentum);
    if (running) s.running = *running;
    s.stat_batch = stat_batch;
    return s;
}

std::string Case::text() const {
    std::string t = fmt::format("{} {} {} {} {} {}x{}x{}", variant, implementation, name_of(dtype), name_of(layout), name_of(mode), shape.N, shape.C,
                                shape.S);
    const auto add = [&](std::string_view key, const auto& value) { t += fmt::format(" {}={}", key, value); };
    if (groups) add("G", *groups);
    if (eps) add("eps", *eps);
    if (r_max) add("r_max", *r_max);
    if (d_max) add("d_max", *d_max);
    if (momentum) add("momentum", *momentum);
    if (running) add("running", name_of(*running));
    if (stat_batch) add("stat_batch", stat_batch);
    if (tile) add("tile", fmt::format("{}x{}x{}", tile->N, tile->C, tile->S));
    if (affine != AffineUse::both) add("affine", affine_names[static_cast<std::size_t>(affine)]);
    if (state != StateKind::near) add("state", state_names[static_cast<std::size_t>(state)]);
    for (const auto& [key, values] : {std::pair{"x", &x}, {"dy", &dy}, {"gamma", &gamma}, {"beta", &beta}})
        if (*values != Values{}) add(key, values_text(*values));
    if (offset != 0) add("offset", offset);
    if (kappa != 1) add("kappa", kappa);
    if (sigma != 1) add("sigma", sigma);
    add("seed", seed);
    add("check", check);
    return t;
}

std::string Case::rerun() const {
    const std::string plugin = origin_of(implementation);
    if (!data) return fmt::format("normlab verify{} --case \"{}\"", plugin, text());
    std::string line = fmt::format("normlab verify{} {} --variant {} --impl {} --dtype {} --layout {} --mode {} --check {} --seed {}", plugin, data->flags,
                                   variant, implementation, name_of(dtype), name_of(data->layout.value_or(layout)), name_of(mode), check, seed);
    if (groups) line += fmt::format(" --groups {}", *groups);
    if (eps) line += fmt::format(" --eps {}", *eps);
    return line;
}

Case parse_case(std::string_view text) {
    std::istringstream in{std::string(text)};
    std::vector<std::string> words;
    for (std::string w; in >> w;) words.push_back(w);
    Case c;
    std::set<std::string> given;
    std::size_t i = 0;
    const auto positional = [&] { return i < words.size() && words[i].find('=') == std::string::npos; };
    const auto next = [&](std::string_view what) {
        if (!positional())
            throw Error(fmt::format("case '{}' has no {}; accepted: VARIANT IMPL DTYPE LAYOUT [MODE] NxCxS [KEY=VALUE ...]", text, what));
        return words[i++];
    };
    c.variant = find_variant(next("variant")).name;
    c.implementation = next("implementation");
    c.dtype = parse_dtype(next("dtype"));
    c.layout = parse_layout(next("layout"));
    if (positional() && !words[i].empty() && !std::isdigit(static_cast<unsigned char>(words[i][0]))) c.mode = parse_mode(next("mode"));
    c.shape = parse_shape(next("shape"));
    for (; i < words.size(); ++i) {
        const std::size_t eq = words[i].find('=');
        if (eq == std::string::npos) throw Error(fmt::format("case '{}': '{}' is not KEY=VALUE", text, words[i]));
        const std::string key = words[i].substr(0, eq);
        if (!given.insert(key).second) throw Error(fmt::format("case '{}' says {} twice; once is accepted", text, key));
        set(c, key, words[i].substr(eq + 1));
    }
    const Spec made = find_variant(c.variant).make();
    if (c.groups && made.groups == 1) throw Error(fmt::format("G = {}: {} has no groups; a case of group_norm accepts G", *c.groups, c.variant));
    if ((c.r_max || c.d_max) && made.correction == Correction::none)
        throw Error(fmt::format("{} has no r and d; a case of batch_renorm accepts r_max and d_max", c.variant));
    if (c.tile && c.check != "tiled") throw Error(fmt::format("case '{}': tile goes with check=tiled", text));
    const Shape drawn = c.tile.value_or(c.shape);
    for (const auto& [key, values, count] : {std::tuple{"x", &c.x, drawn.size()}, {"dy", &c.dy, drawn.size()}, {"gamma", &c.gamma, drawn.C},
                                             {"beta", &c.beta, drawn.C}})
        if (!values->given.empty() && std::ssize(values->given) != count)
            throw Error(fmt::format("case '{}': {} has {} values; {} are accepted", text, key, values->given.size(), count));
    return c;
}

}  // namespace normlab::verify
