#include "verify/report/separate.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "norms/names.hpp"
#include "verify/case/settings.hpp"

namespace normlab::verify {
namespace {

constexpr std::size_t fewest = 3, most_passing = 4000, most_compared = 24, most_pairs = 60;

using Word = std::function<std::string(const Case&)>;
using Number = std::function<double(const Case&)>;
using Keys = std::uint64_t;  // a bit for each

// A condition on some keys of a case.
struct Condition {
    std::string text;
    std::function<bool(const Case&)> has;
    Keys keys;         // that it looks at, or that change with those
    bool way = false;  // on the layout, dtype, mode or variant: each case has its like with the others
    std::string limited = {}, divided = {};  // the number whose limit it is, or whose remainder by 8 or more
};

// What a case is, key by key.
class Description {
public:
    Description() {
        add("", [](const Case& c) { return std::string(name_of(c.layout)); });
        add("", [](const Case& c) { return std::string(name_of(c.dtype)); });
        add("", [](const Case& c) { return std::string(name_of(c.mode)); });
        add("", [](const Case& c) { return c.variant; });
        ways_ = words_.size();
        for (const Setting& s : settings())
            if (s.key != "seed" && s.key != "check" && s.key != "tile")
                add(std::string(s.key), [&s](const Case& c) { return s.text(c); });
        described_ = words_.size();
        add("N", [](const Case& c) { return std::to_string(c.shape.N); });
        add("C", [](const Case& c) { return std::to_string(c.shape.C); });
        add("S", [](const Case& c) { return std::to_string(c.shape.S); });
        add("check", [](const Case& c) { return c.check; });
    }

    std::vector<std::size_t> values(const Case& c) {
        std::vector<std::size_t> all;
        for (const auto& [key, word] : words_) all.push_back(ids_.try_emplace(word(c), ids_.size()).first->second);
        return all;
    }
    static Keys differing(const std::vector<std::size_t>& a, const std::vector<std::size_t>& b) {
        Keys keys = 0;
        for (std::size_t k = 0; k < a.size(); ++k) keys |= Keys{a[k] != b[k]} << k;
        return keys;
    }
    Keys keys(const std::vector<std::string>& names) const {
        Keys all = 0;
        for (std::size_t k = 0; k < words_.size(); ++k)
            if (std::ranges::find(names, words_[k].first) != names.end()) all |= Keys{1} << k;
        return all;
    }

    // A word or two that no other failing case goes beyond.
    void add_words(std::vector<Condition>& all, const std::vector<const Case*>& failing) const {
        for (std::size_t k = 0; k < described_; ++k) {
            const auto& [key, word] = words_[k];
            const bool number = key == "kappa" || key == "sigma" || key == "offset";  // limits describe those
            std::set<std::string> seen;
            for (const Case* c : failing) seen.insert(word(*c));
            if (seen.size() > (number ? 1 : 2)) continue;
            std::vector<std::string> shown;
            for (const std::string& w : seen)
                shown.push_back(key.empty() ? w : w.empty() ? "no " + key + "=" : key + "=" + w);
            all.push_back({fmt::format("{}", fmt::join(shown, " or ")),
                           [seen, word = word](const Case& c) { return seen.contains(word(c)); }, Keys{1} << k,
                           k < ways_});
        }
    }

private:
    void add(std::string key, Word word) { words_.emplace_back(std::move(key), std::move(word)); }

    std::vector<std::pair<std::string, Word>> words_;
    std::size_t ways_ = 0, described_ = 0;
    std::map<std::string, std::size_t> ids_;
};

void add_limits(std::vector<Condition>& all, const std::vector<const Case*>& failing, const std::string& name,
                const Number& number, Keys keys) {
    const auto by_number = [&](const Case* a, const Case* b) { return number(*a) < number(*b); };
    const double least = number(**std::ranges::min_element(failing, by_number)),
                 largest = number(**std::ranges::max_element(failing, by_number));
    all.push_back({least == 2 ? name + " > 1" : fmt::format("{} >= {:g}", name, least),
                   [=](const Case& c) { return number(c) >= least; }, keys, false, name});
    all.push_back({largest == 1 ? name + " = 1" : fmt::format("{} <= {:g}", name, largest),
                   [=](const Case& c) { return number(c) <= largest; }, keys, false, name});
}

// Of numbers that differ otherwise.
void add_remainders(std::vector<Condition>& all, const std::vector<const Case*>& failing, const std::string& name,
                    const Number& number, Keys keys) {
    const double first = number(*failing[0]);
    const auto each = [&](auto has) { return std::ranges::all_of(failing, [&](const Case* c) { return has(*c); }); };
    if (each([&](const Case& c) { return number(c) == first; })) return;
    // the remainder by the most, the multiple by the least: not more than is known
    for (const double d : {64., 32., 16., 8., 4., 2.}) {
        const double r = std::fmod(first, d);
        const auto as_first = [=](const Case& c) { return std::fmod(number(c), d) == r; };
        if (each(as_first))
            all.push_back({r == 0   ? fmt::format("{} a multiple of {}", name, d)
                           : d == 2 ? name + " odd"
                                    : fmt::format("{} % {} = {}", name, d, r),
                           as_first, keys, false, "", d < 8 ? "" : name});
    }
    for (const double d : {2., 4., 8., 16., 32., 64.}) {
        const auto no_multiple = [=](const Case& c) { return std::fmod(number(c), d) != 0; };
        if (each(no_multiple)) all.push_back({fmt::format("{} no multiple of {}", name, d), no_multiple, keys});
    }
}

std::vector<Condition> conditions(const std::vector<const Case*>& failing, const Description& description) {
    std::vector<Condition> all;
    const auto whole = [](std::int64_t n) { return static_cast<double>(n); };
    const std::tuple<std::string, Number, Keys> sizes[] = {
        {"N", [=](const Case& c) { return whole(c.shape.N); }, description.keys({"N"})},
        {"C", [=](const Case& c) { return whole(c.shape.C); }, description.keys({"C", "G"})},
        {"S", [=](const Case& c) { return whole(c.shape.S); }, description.keys({"S"})},
        {"m", [=](const Case& c) { return whole(c.problem().block_size()); }, description.keys({"N", "C", "S", "G"})},
        {"G", [=](const Case& c) { return whole(c.spec().groups); }, description.keys({"C", "G"})}};
    for (const auto& [name, number, keys] : sizes) add_remainders(all, failing, name, number, keys);
    description.add_words(all, failing);
    for (const auto& [name, number, keys] : sizes) add_limits(all, failing, name, number, keys);
    add_limits(
        all, failing, "kappa", [](const Case& c) { return c.kappa; }, description.keys({"kappa"}));
    add_limits(
        all, failing, "sigma", [](const Case& c) { return c.sigma; }, description.keys({"sigma"}));
    return all;
}

template <class T>
std::vector<T> evenly(const std::vector<T>& all, std::size_t most) {
    std::vector<T> some;
    for (std::size_t k = 0, step = 1 + all.size() / most; k < all.size(); k += step) some.push_back(all[k]);
    return some;
}

// Which of many, 64 to a word.
using Bits = std::vector<std::uint64_t>;
bool has(const Bits& bits, std::size_t k) { return bits[k / 64] >> k % 64 & 1; }
std::size_t count(const Bits& a, const Bits& b) {
    std::size_t n = 0;
    for (std::size_t w = 0; w < a.size(); ++w) n += static_cast<std::size_t>(std::popcount(a[w] & b[w]));
    return n;
}

// One condition, or two.
struct Candidate {
    std::vector<std::size_t> conditions;
    std::size_t left = 0;  // passing cases that have them too
    double distance = 0;   // from failing cases to the nearest passing ones on the other side
};

class Separation {
public:
    Separation(const std::vector<const Case*>& failing, const std::vector<const Case*>& passing,
               const std::vector<const Case*>& smaller)
        : failing_(failing.size()), passing_(evenly(passing, most_passing)) {
        std::vector<const Case*> all = failing;
        all.insert(all.end(), smaller.begin(), smaller.end());
        for (Condition& condition : conditions(all, description_)) {
            if (!std::ranges::all_of(all, [&](const Case* c) { return condition.has(*c); })) continue;
            Bits too(passing_.size() / 64 + 1);
            for (std::size_t k = 0; k < passing_.size(); ++k)
                too[k / 64] |= std::uint64_t{condition.has(*passing_[k])} << k % 64;
            if (count(too, too) == passing_.size()) continue;
            useful_.push_back(std::move(condition)), too_.push_back(std::move(too));
        }
        std::vector<std::vector<std::size_t>> values;
        for (const Case* c : passing_) values.push_back(description_.values(*c));
        for (const Case* c : evenly(failing, most_compared)) {
            const std::vector<std::size_t> own = description_.values(*c);
            differing_.emplace_back();
            for (const auto& v : values) differing_.back().push_back(Description::differing(own, v));
        }
    }

    // The best that passing cases support, if no other of another kind is as good.
    std::optional<Candidate> best() const {
        std::vector<Candidate> singles, pairs;
        for (std::size_t a = 0; a < useful_.size(); ++a) singles.push_back({{a}, count(too_[a], too_[a]), 0});
        const auto [single, single_doubtful] = best_of(singles);
        const std::size_t to_halve = single ? single->left : std::min(passing_.size(), 2 * failing_);
        // two say more than one only by saying much more
        for (std::size_t a = 0; a < useful_.size(); ++a)
            for (std::size_t b = a + 1; b < useful_.size(); ++b)
                if (const std::size_t n = count(too_[a], too_[b]); 2 * n < to_halve && (n == 0 || !is_range(a, b)))
                    pairs.push_back({{a, b}, n, 0});
        std::ranges::stable_sort(pairs, {}, &Candidate::left);
        if (pairs.size() > most_pairs) pairs.resize(most_pairs);
        const auto [pair, pair_doubtful] = best_of(pairs);
        return pair && !pair_doubtful ? pair : single && !single_doubtful ? single : std::nullopt;
    }

    std::string text(const Candidate& best) const {
        std::string text;
        for (const std::size_t k : best.conditions) text += (text.empty() ? "" : " and ") + useful_[k].text;
        if (best.conditions.size() > 1) return text;
        // beyond a limit there may be numbers of one remainder alone: which of both it is nobody knows
        const std::string& number = useful_[best.conditions[0]].limited;
        std::string divided;  // by the most
        for (const Condition& c : useful_)
            if (divided.empty() && !number.empty() && c.divided == number) divided = c.text;
        return divided.empty() ? text : fmt::format("{} (where all have {})", text, divided);
    }

private:
    // A range fits any few numbers that lie together.
    bool is_range(std::size_t a, std::size_t b) const {
        return !useful_[a].limited.empty() && useful_[a].limited == useful_[b].limited;
    }

    // Whether each condition is needed: some failing cases have a like that passes, for which it alone does not hold,
    // and which differs in one other key at most. Notes how far these are.
    bool supported(Candidate& candidate) const {
        for (const std::size_t a : candidate.conditions) {
            std::vector<std::size_t> beyond;
            for (std::size_t k = 0; k < passing_.size(); ++k)
                if (std::ranges::all_of(candidate.conditions,
                                        [&](std::size_t c) { return has(too_[c], k) == (c != a); }))
                    beyond.push_back(k);
            if (beyond.empty()) return false;
            std::size_t near = 0, sum = 0;
            for (const std::vector<Keys>& differing : differing_) {
                int least = fewest;
                for (const std::size_t k : beyond)
                    least = std::min(least, std::popcount(differing[k] & ~useful_[a].keys));
                near += least <= 1, sum += static_cast<std::size_t>(least);
            }
            if (near < std::min(fewest, std::max(std::size_t{2}, differing_.size() / 3))) return false;
            const double mean = static_cast<double>(sum) / static_cast<double>(differing_.size());
            const double several = 0.1 * (std::popcount(useful_[a].keys) - 1);  // rather N than m = N S
            candidate.distance = std::max(candidate.distance, mean + several);
        }
        return true;
    }

    // A fifth of what passes is apart, and half of what it describes fails; or it is a way to call, and the like of
    // most in another way holds.
    bool good(Candidate& c) const {
        const bool way = c.conditions.size() == 1 && useful_[c.conditions[0]].way, mostly = c.left <= failing_;
        return 5 * c.left < 4 * passing_.size() && (mostly || way) && supported(c) && (mostly || c.distance < 0.5);
    }

    bool related(const Candidate& a, const Candidate& b) const {
        const Keys shape = description_.keys({"N", "C", "S", "G"});
        const auto keys = [&](const Candidate& of) {
            Keys all = 0;
            for (const std::size_t k : of.conditions) all |= useful_[k].keys;
            return all & shape ? all | shape : all;
        };
        return (keys(a) & keys(b)) != 0;
    }

    // The best, and whether one of another kind is as good.
    std::pair<std::optional<Candidate>, bool> best_of(const std::vector<Candidate>& all) const {
        std::vector<Candidate> these;
        for (Candidate c : all)
            if (good(c)) these.push_back(c);
        if (these.empty()) return {std::nullopt, false};
        std::ranges::stable_sort(these, {}, [](const Candidate& c) { return std::pair(c.left, c.distance); });
        const Candidate best = these[0];
        const bool doubtful = std::ranges::any_of(these, [&](const Candidate& c) {
            return !related(c, best) && c.left <= best.left + best.left / 4 && c.distance < best.distance + 0.5;
        });
        return {best, doubtful};
    }

    std::size_t failing_;
    std::vector<const Case*> passing_;
    Description description_;
    std::vector<Condition> useful_;
    std::vector<Bits> too_;                     // by condition: which passing cases have it
    std::vector<std::vector<Keys>> differing_;  // by failing case, of some, and passing case
};

}  // namespace

std::string separation(const std::vector<const Case*>& failing, const std::vector<const Case*>& passing,
                       const std::vector<const Case*>& smaller) {
    if (failing.size() < fewest || passing.size() < fewest) return {};
    Separation separation(failing, passing, smaller);
    const std::optional<Candidate> best = separation.best();
    if (!best) return {};
    const std::size_t left = best->left * (1 + passing.size() / most_passing);  // they were thinned out evenly
    if (left == 0)
        return fmt::format("in all {} cases with {}, in none of {} others", failing.size(), separation.text(*best),
                           passing.size());
    return fmt::format("only with {}: {} of {} such cases", separation.text(*best), failing.size(),
                       failing.size() + left);
}

}  // namespace normlab::verify
