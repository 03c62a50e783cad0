#include "studies/noise/results.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "norms/names.hpp"

namespace normlab::noise {
namespace {

std::string where(const Cell& c) {
    return fmt::format("{} m={}{}", c.quantity, c.m,
                       c.distribution == Distribution::normal ? "" : fmt::format(" {}", name_of(c.distribution)));
}

const Cell& worst(const std::vector<const Cell*>& cells) {
    return **std::ranges::max_element(cells, {}, [](const Cell* c) { return c->held ? c->score() : 1e300; });
}

}  // namespace

std::string table_text(const Results& results) {
    std::string text = fmt::format(
        "m {}, {} values a cell, seed {}, family-wise error {}; {} cells at level {:.2g} each\n\n",
        fmt::join(results.ms, ","), results.samples, results.seed, alpha, results.cells.size(), results.level);
    text += fmt::format("{:<24} {:<11} {:>5} {:>5}  {:>9}  {:<42} {}\n", "row", "impl", "cells", "held", "dev/limit",
                        "worst cell", "verdict");
    std::vector<std::string> names;
    for (const Cell& c : results.cells)
        if (std::ranges::find(names, c.implementation) == names.end()) names.push_back(c.implementation);
    for (int row = 0; row < row_count; ++row)
        for (const std::string& name : names) {
            std::vector<const Cell*> cells;
            for (const Cell& c : results.cells)
                if (c.row == static_cast<Row>(row) && c.implementation == name) cells.push_back(&c);
            if (cells.empty()) continue;
            const auto held =
                static_cast<std::size_t>(std::ranges::count_if(cells, [](const Cell* c) { return c->held; }));
            const Cell& at = worst(cells);
            text += fmt::format("{:<24} {:<11} {:>5} {:>5}  {:>9.2f}  {:<42} {}\n", title_of(at.row), name,
                                cells.size(), held, at.score(), where(at), held == cells.size() ? "HELD" : "FAILED");
        }
    std::string failures;
    for (const Cell& c : results.cells)
        if (!c.held)
            failures +=
                fmt::format("FAILED {}, {} {} {}: measured {:.6g}, theory {:.6g}, {} {:.3g} beyond its limit {:.3g}\n",
                            title_of(c.row), where(c), c.implementation, name_of(c.dtype), c.measured, c.theory,
                            name_of(c.method), c.statistic, c.limit);
    return text + (failures.empty() ? "" : "\n" + failures);
}

std::string summary_line(const Results& results) {
    const auto held = std::ranges::count_if(results.cells, &Cell::held);
    std::vector<const Cell*> all;
    for (const Cell& c : results.cells) all.push_back(&c);
    const Cell& at = worst(all);
    const char* verdict = !results.criterion_applies()
                              ? "no verdict (the criterion was written for the default m and samples)"
                          : results.held() ? "HELD"
                                           : "FAILED";
    return fmt::format("study noise: {}; {} cells held, {} failed; worst deviation/limit {:.2f} ({}, {})", verdict,
                       held, static_cast<std::ptrdiff_t>(results.cells.size()) - held, at.score(), title_of(at.row),
                       where(at));
}

json document_of(const Results& results) {
    json cells = json::array(), means = json::array();
    for (const Cell& c : results.cells) {
        cells.push_back(json_of(c));
        cells.back().update(json{{"m", c.m},
                                 {"impl", c.implementation},
                                 {"dtype", name_of(c.dtype)},
                                 {"low", c.low},
                                 {"high", c.high},
                                 {"limit", c.limit},
                                 {"held", c.held}});
    }
    for (const RunningMean& r : results.running_means)
        means.push_back({{"quantity", r.quantity},
                         {"m", r.m},
                         {"impl", r.implementation},
                         {"mean_of_first_1_2_4_8_and_so_on", r.means}});
    return {{"settings",
             {{"m", results.ms},
              {"samples", results.samples},
              {"seed", results.seed},
              {"dtype", results.dtypes},
              {"family_wise_error", alpha}}},
            {"level", results.level},
            {"held", results.held()},
            {"criterion_applies", results.criterion_applies()},
            {"cells", cells},
            {"running_means", means}};
}

std::string csv_text(const Results& results) {
    std::string text = fmt::format("{}\n", columns);
    const auto number = [](double v) { return std::isfinite(v) ? fmt::format("{}", v) : std::string(); };
    for (const Cell& c : results.cells)
        text += fmt::format("\"{}\",\"{}\",{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", title_of(c.row), c.quantity,
                            c.m, name_of(c.distribution), c.implementation, name_of(c.dtype), name_of(c.method), c.n,
                            number(c.theory), number(c.tolerance), number(c.measured), number(c.standard_error),
                            number(c.low), number(c.high), number(c.statistic), number(c.limit), c.held ? 1 : 0);
    return text;
}

}  // namespace normlab::noise
