// The string of a case and back, and the command line that reruns it.

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "verify/case/settings.hpp"

namespace normlab::verify {
namespace {

// The flag that brings the implementation in, after a space; nothing for built-in ones.
std::string origin_of(const std::string& implementation) {
    for (const Implementation* i : implementations())
        if (i->name() == implementation && !i->origin().empty()) return " " + i->origin();
    return {};
}

const Setting& find_setting(const std::string& key) {
    const auto found = std::ranges::find(settings(), key, &Setting::key);
    if (found != settings().end()) return *found;
    std::vector<std::string_view> keys;
    for (const Setting& s : settings()) keys.push_back(s.key);
    throw Error(unknown("setting", key, keys));
}

Case read_case(std::string_view text) {
    std::istringstream in{std::string(text)};
    std::vector<std::string> words;
    for (std::string w; in >> w;) words.push_back(w);
    Case c;
    std::set<std::string> given;
    std::size_t i = 0;
    const auto positional = [&] { return i < words.size() && words[i].find('=') == std::string::npos; };
    const auto next = [&](std::string_view what) {
        if (!positional())
            throw Error(fmt::format(
                "case '{}' has no {}; accepted: VARIANT IMPL DTYPE LAYOUT [MODE] NxCxS [KEY=VALUE ...]", text, what));
        return words[i++];
    };
    c.variant = find_variant(next("variant")).name;
    c.implementation = next("implementation");
    c.dtype = parse_dtype(next("dtype"));
    c.layout = parse_layout(next("layout"));
    if (positional() && !words[i].empty() && !std::isdigit(static_cast<unsigned char>(words[i][0])))
        c.mode = parse_mode(next("mode"));
    c.shape = parse_shape(next("shape"));
    for (; i < words.size(); ++i) {
        const std::size_t eq = words[i].find('=');
        if (eq == std::string::npos) throw Error(fmt::format("case '{}': '{}' is not KEY=VALUE", text, words[i]));
        const std::string key = words[i].substr(0, eq);
        if (!given.insert(key).second) throw Error(fmt::format("case '{}' says {} twice; once is accepted", text, key));
        find_setting(key).parse(c, key, words[i].substr(eq + 1));
    }
    for (const Setting& s : settings())
        if (const std::string why = s.refused(c, s.key, text); !why.empty()) throw Error(why);
    return c;
}

constexpr std::string_view act_names[] = {"train",     "frozen",      "eval",    "accumulate",
                                          "recompute", "recalibrate", "momentum"};

}  // namespace

std::string Case::text() const {
    std::string t = fmt::format("{} {} {} {} {} {}", variant, implementation, name_of(dtype), name_of(layout),
                                name_of(mode), shape_text(shape));
    for (const Setting& s : settings())
        if (const std::string value = s.text(*this); !value.empty()) t += fmt::format(" {}={}", s.key, value);
    return t;
}

std::string Case::rerun() const {
    const std::string plugin = origin_of(implementation);
    if (!data) return fmt::format("normlab verify{} --case \"{}\"", plugin, text());
    std::string line =
        fmt::format("normlab verify{} {} --variant {} --impl {} --dtype {} --layout {} --mode {} --check {} --seed {}",
                    plugin, data->flags, variant, implementation, name_of(dtype),
                    name_of(data->layout.value_or(layout)), name_of(mode), check, seed);
    for (const Setting& s : settings())
        if (const std::string value = s.text(*this); !s.flag.empty() && !value.empty())
            line += fmt::format(" {} {}", s.flag, value);
    return line;
}

Case parse_case(std::string_view text) {
    try {
        return read_case(text);
    } catch (const Error& e) {
        if (std::string_view(e.what()).starts_with("case '")) throw;
        throw Error(fmt::format("case '{}': {}", text, e.what()));
    }
}

std::string steps_text(const std::vector<CaseStep>& steps) {
    std::string text;
    for (const CaseStep& s : steps)
        text += fmt::format("{}{}{}{}", text.empty() ? "" : ",", act_names[static_cast<std::size_t>(s.act)],
                            s.momentum ? ":" : "", s.momentum.value_or(""));
    return text;
}

std::vector<CaseStep> parse_steps(std::string_view key, const std::string& text) {
    std::vector<CaseStep> steps;
    std::istringstream in(text + ",");
    for (std::string word; std::getline(in, word, ',');) {
        const std::size_t colon = word.find(':');
        const auto found = std::ranges::find(act_names, word.substr(0, colon));
        if (found == std::end(act_names)) throw Error(unknown(key, word.substr(0, colon), act_names));
        CaseStep step{static_cast<Act>(found - act_names)};
        if (colon != std::string::npos) {
            if (step.act != Act::momentum)
                throw Error(fmt::format("{} = '{}'; a number goes with momentum alone", key, word));
            step.momentum = word.substr(colon + 1);
            if (const auto m = parse_momentum(*step.momentum); m && !(*m >= 0 && *m <= 1))
                throw Error(fmt::format("{} = '{}'; a momentum from 0 to 1, or none, is accepted", key, word));
        }
        steps.push_back(step);
    }
    return steps;
}

}  // namespace normlab::verify
