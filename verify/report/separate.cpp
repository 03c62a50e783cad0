#include "verify/report/separate.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "norms/names.hpp"
#include "verify/case/settings.hpp"

namespace normlab::verify {
namespace {

constexpr std::size_t fewest = 3, most_passing = 4000;

struct Property {
    std::string text;
    std::function<bool(const Case&)> has;
};

using Word = std::function<std::string(const Case&)>;
using Number = std::function<double(const Case&)>;

// A few words that no other failing case goes beyond.
void add_words(std::vector<Property>& all, const std::vector<const Case*>& failing, const std::string& key,
               const Word& word) {
    std::set<std::string> seen;
    for (const Case* c : failing) seen.insert(word(*c));
    if (seen.size() > 3) return;
    std::vector<std::string> shown;
    for (const std::string& w : seen) shown.push_back(key.empty() ? w : w.empty() ? "no " + key + "=" : key + "=" + w);
    all.push_back(
        {fmt::format("{}", fmt::join(shown, " or ")), [seen, word](const Case& c) { return seen.contains(word(c)); }});
}

void add_limits(std::vector<Property>& all, const std::vector<const Case*>& failing, const std::string& name,
                const Number& number) {
    const auto by_number = [&](const Case* a, const Case* b) { return number(*a) < number(*b); };
    const double least = number(**std::ranges::min_element(failing, by_number)),
                 largest = number(**std::ranges::max_element(failing, by_number));
    all.push_back({least == 2 ? name + " > 1" : fmt::format("{} >= {:g}", name, least),
                   [=](const Case& c) { return number(c) >= least; }});
    all.push_back({largest == 1 ? name + " = 1" : fmt::format("{} <= {:g}", name, largest),
                   [=](const Case& c) { return number(c) <= largest; }});
}

void add_remainders(std::vector<Property>& all, const std::string& name, const Number& number) {
    for (const double d : {2., 4., 8., 16., 32.}) {
        all.push_back({fmt::format("{} no multiple of {}", name, d),
                       [=](const Case& c) { return std::fmod(number(c), d) != 0; }});
        all.push_back(
            {fmt::format("{} a multiple of {}", name, d), [=](const Case& c) { return std::fmod(number(c), d) == 0; }});
    }
}

std::vector<Property> properties(const std::vector<const Case*>& failing) {
    std::vector<Property> all;
    const auto words = [&](const std::string& key, const Word& word) { add_words(all, failing, key, word); };
    words("", [](const Case& c) { return std::string(name_of(c.layout)); });
    words("", [](const Case& c) { return std::string(name_of(c.dtype)); });
    words("", [](const Case& c) { return std::string(name_of(c.mode)); });
    words("", [](const Case& c) { return c.variant; });
    for (const Setting& s : settings())
        if (s.key != "seed" && s.key != "check" && s.key != "kappa" && s.key != "tile")
            words(std::string(s.key), [&s](const Case& c) { return s.text(c); });
    const auto whole = [](std::int64_t n) { return static_cast<double>(n); };
    const Number N = [=](const Case&c) { return whole(c.shape.N); }, C = [=](const Case&c) { return whole(c.shape.C); },
                 S = [=](const Case&c) { return whole(c.shape.S); },
                 m = [=](const Case&c) { return whole(c.problem().block_size()); };
    for (const auto& [name, number] : {std::pair<std::string, Number>{"N", N}, {"C", C}, {"S", S}, {"m", m}})
        add_limits(all, failing, name, number);
    add_limits(all, failing, "kappa", [](const Case& c) { return c.kappa; });
    add_limits(all, failing, "sigma", [](const Case& c) { return c.sigma; });
    for (const auto& [name, number] : {std::pair<std::string, Number>{"C", C}, {"S", S}, {"m", m}})
        add_remainders(all, name, number);
    words("",
          [](const Case& c) { return c.name.empty() ? "no hostile input" : fmt::format("hostile input {}", c.name); });
    return all;
}

}  // namespace

std::string separation(const std::vector<const Case*>& failing, const std::vector<const Case*>& passing_all) {
    if (failing.size() < fewest || passing_all.empty()) return {};
    std::vector<const Case*> passing;  // evenly: which of them does not matter, how many does
    const std::size_t step = 1 + passing_all.size() / most_passing;
    for (std::size_t k = 0; k < passing_all.size(); k += step) passing.push_back(passing_all[k]);
    // Those that separate, with which passing cases have them too.
    std::vector<std::pair<Property, std::vector<bool>>> useful;
    for (Property& p : properties(failing)) {
        if (!std::ranges::all_of(failing, [&](const Case* c) { return p.has(*c); })) continue;
        std::vector<bool> too;
        for (const Case* c : passing) too.push_back(p.has(*c));
        if (std::ranges::count(too, true) < std::ssize(too)) useful.emplace_back(std::move(p), std::move(too));
    }
    std::size_t best = passing.size() - passing.size() / 5;  // less than a fifth apart says nothing
    std::string text;
    for (const auto& [property, too] : useful)
        if (const auto left = static_cast<std::size_t>(std::ranges::count(too, true)); left < best)
            best = left, text = property.text;
    std::size_t best_of_two = best;
    std::string of_two;
    for (std::size_t a = 0; a < useful.size() && best > 0; ++a)
        for (std::size_t b = a + 1; b < useful.size(); ++b) {
            std::size_t left = 0;
            for (std::size_t k = 0; k < passing.size(); ++k) left += useful[a].second[k] && useful[b].second[k];
            if (left < best_of_two) best_of_two = left, of_two = useful[a].first.text + " and " + useful[b].first.text;
        }
    if (2 * best_of_two < best) best = best_of_two, text = of_two;  // two say more than one only by saying much more
    if (text.empty()) return {};
    if (best == 0)
        return fmt::format("in all {} cases with {}, in none of {} others", failing.size(), text, passing_all.size());
    return fmt::format("only with {}: {} of {} such cases", text, failing.size(), failing.size() + best * step);
}

}  // namespace normlab::verify
