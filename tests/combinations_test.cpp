// The rows of a covering array, and the cases that the check combinations makes of them.

#include <set>

#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/check/check.hpp"
#include "verify/checks/combinations.hpp"
#include "verify/checks/covering.hpp"

using namespace normlab;
using verify::Row;

namespace {

// Every choice of levels of `strength` factors, as text, that occurs in some row.
std::set<std::string> combinations(const std::vector<Row>& rows, std::size_t strength) {
    std::set<std::string> seen;
    for (const Row& row : rows)
        for (unsigned mask = 0; mask < 1U << row.size(); ++mask) {
            std::string text;
            std::size_t chosen = 0;
            for (std::size_t f = 0; f < row.size(); ++f)
                if (mask >> f & 1U) text += std::to_string(f) + "=" + std::to_string(row[f]) + " ", ++chosen;
            if (chosen == strength) seen.insert(text);
        }
    return seen;
}

std::vector<Row> all_rows(const std::vector<std::size_t>& levels, const std::function<bool(const Row&)>& allowed) {
    std::vector<Row> all{{}};
    for (const std::size_t n : levels) {
        std::vector<Row> longer;
        for (const Row& row : all)
            for (std::size_t level = 0; level < n; ++level) longer.push_back(row), longer.back().push_back(level);
        all = std::move(longer);
    }
    std::erase_if(all, [&](const Row& row) { return !allowed(row); });
    return all;
}

}  // namespace

TEST_CASE("a covering array has every combination that some allowed row has, in few rows") {
    const std::vector<std::size_t> levels{2, 4, 7, 3, 2, 3};
    const auto allowed = [](const Row& row) { return !(row[0] == 1 && row[3] == 2) && row[1] + row[4] != 4; };
    for (const std::size_t strength : {std::size_t{2}, std::size_t{3}}) {
        CAPTURE(strength);
        const verify::Covering covering = verify::covering_array(levels, strength, allowed);
        const std::set<std::string> got = combinations(covering.rows, strength);
        CHECK(got == combinations(all_rows(levels, allowed), strength));
        CHECK(covering.covered == got.size());
        CHECK(covering.rows.size() < (strength == 2 ? 40 : 160));
        CHECK(std::ranges::all_of(covering.rows, allowed));
        CHECK(verify::covering_array(levels, strength, allowed).rows == covering.rows);
    }
}

TEST_CASE("the cases of the check combinations survive their strings, and all pairs are among them") {
    for (const Variant& v : variants) {
        CAPTURE(v.name);
        std::set<verify::Asked> asked;
        std::set<verify::InPlace> in_place;
        std::set<std::string> texts;
        std::size_t count = 0;
        for (const Layout layout : {Layout::channels_first, Layout::channels_last})
            for (const Mode mode : {Mode::train, Mode::eval}) {
                verify::Case base;
                base.variant = v.name, base.check = "combinations", base.layout = layout, base.mode = mode;
                base.dtype = DType::bf16;  // has all options
                for (const verify::Case& c : verify::find_check("combinations").cases(base, verify::Tier::ci)) {
                    CHECK(verify::is_valid(c));
                    CHECK(verify::parse_case(c.text()) == c);
                    asked.insert(c.asked), in_place.insert(c.in_place), texts.insert(c.text()), ++count;
                }
            }
        CHECK(asked.size() == 7);
        CHECK(in_place.size() == 4);
        CHECK(texts.size() == count);
        CHECK(verify::combinations_coverage(v.name, verify::Tier::ci).find(std::to_string(count) + " cases") == 0);
    }
}
