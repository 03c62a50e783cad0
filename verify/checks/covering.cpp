#include "verify/checks/covering.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "system/random.hpp"

namespace normlab::verify {
namespace {

class Greedy {
public:
    Greedy(const std::vector<std::size_t>& levels, std::size_t strength, const std::function<bool(const Row&)>& allowed)
        : levels_(levels), allowed_(allowed), random_(1) {
        Row factors(strength);
        choose(factors, 0, 0);
    }

    Covering run() {
        Covering out;
        for (std::size_t s = 0; s < sets_.size(); ++s)
            for (std::size_t code = 0; code < sets_[s].missing.size(); ++code) {
                if (!sets_[s].missing[code]) continue;
                if (const std::optional<Row> row = row_with(sets_[s], code)) {
                    for (Set& set : sets_) {
                        auto seen = set.missing.begin() + static_cast<std::ptrdiff_t>(code_in(set, *row));
                        out.covered += *seen, *seen = false;
                    }
                    out.rows.push_back(*row);
                } else {
                    sets_[s].missing[code] = false, ++out.impossible;
                }
            }
        return out;
    }

private:
    // Some factors, and which combinations of their levels are missing.
    struct Set {
        Row factors;
        std::vector<bool> missing;
    };
    static constexpr std::size_t open = static_cast<std::size_t>(-1);

    void choose(Row& factors, std::size_t k, std::size_t first) {
        if (k == factors.size()) {
            std::size_t combinations = 1;
            for (const std::size_t f : factors) combinations *= levels_[f];
            sets_.push_back({factors, std::vector<bool>(combinations, true)});
            return;
        }
        for (std::size_t f = first; f < levels_.size(); ++f) factors[k] = f, choose(factors, k + 1, f + 1);
    }

    std::size_t code_in(const Set& set, const Row& row) const {
        std::size_t code = 0;
        for (const std::size_t f : set.factors) code = code * levels_[f] + row[f];
        return code;
    }

    std::size_t one_of(std::size_t n) {
        return static_cast<std::size_t>(random_.integer(0, static_cast<std::int64_t>(n) - 1));
    }

    // How many missing combinations the row has in which this factor takes part.
    std::size_t gain(const Row& row, std::size_t factor) const {
        std::size_t found = 0;
        for (const Set& set : sets_) {
            if (std::ranges::find(set.factors, factor) == set.factors.end()) continue;
            if (std::ranges::any_of(set.factors, [&](std::size_t f) { return row[f] == open; })) continue;
            found += set.missing[code_in(set, row)];
        }
        return found;
    }

    Row begun(const Set& set, std::size_t code) const {
        Row row(levels_.size(), open);
        for (std::size_t k = set.factors.size(); k-- > 0; code /= levels_[set.factors[k]])
            row[set.factors[k]] = code % levels_[set.factors[k]];
        return row;
    }

    // The open factors one after another, each with the level that adds most, or as chance has it.
    Row filled(Row row, bool greedy) {
        Row order(levels_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[one_of(i)]);
        for (const std::size_t f : order) {
            if (row[f] != open) continue;
            std::size_t best = one_of(levels_[f]), most = 0;
            for (std::size_t level = 0; greedy && level < levels_[f]; ++level) {
                row[f] = level;
                if (const std::size_t g = gain(row, f); g > most) best = level, most = g;
            }
            row[f] = best;
        }
        return row;
    }

    std::size_t total(const Row& row) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(sets_, [&](const Set& set) { return set.missing[code_in(set, row)]; }));
    }

    std::optional<Row> row_with(const Set& set, std::size_t code) {
        constexpr int greedy_tries = 8, tries = 300;
        std::optional<Row> best;
        std::size_t most = 0;
        for (int k = 0; k < tries && !(best && k >= greedy_tries); ++k) {
            const Row row = filled(begun(set, code), k < greedy_tries);
            if (!allowed_(row)) continue;
            if (const std::size_t n = total(row); n > most) best = row, most = n;
        }
        return best;
    }

    const std::vector<std::size_t>& levels_;
    const std::function<bool(const Row&)>& allowed_;
    Random random_;
    std::vector<Set> sets_;
};

}  // namespace

Covering covering_array(const std::vector<std::size_t>& levels, std::size_t strength,
                        const std::function<bool(const Row&)>& allowed) {
    return Greedy(levels, strength, allowed).run();
}

}  // namespace normlab::verify
