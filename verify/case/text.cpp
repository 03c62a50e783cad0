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

}  // namespace normlab::verify
