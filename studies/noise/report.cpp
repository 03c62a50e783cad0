#include "studies/noise/report.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "norms/names.hpp"

namespace normlab::noise {
namespace {

std::string where(const Cell& c) {
    return fmt::format("{} m={}{}", c.quantity, c.m, c.distribution == Distribution::normal ? "" : fmt::format(" {}", name_of(c.distribution)));
}

const Cell& worst(const std::vector<const Cell*>& cells) {
    return **std::ranges::max_element(cells, {}, [](const Cell* c) { return c->held ? c->score() : 1e300; });
}

std::string settings_text(const Settings& s) {
    return fmt::format("m {}, {} values a cell, seed {}, family-wise error {}", fmt::join(s.ms, ","), s.samples, s.seed, s.alpha);
}

}  // namespace

std::string table_text(const Result& result) {
    std::string text = fmt::format("{}; {} cells at level {:.2g} each\n\n{:<24} {:<11} {:>5} {:>5}  {:>9}  {:<42} {}\n", settings_text(result.settings),
                                   result.cells.size(), result.level, "row", "impl", "cells", "held", "dev/limit", "worst cell", "verdict");
    std::vector<std::string> names;
    for (const Cell& c : result.cells)
        if (std::ranges::find(names, c.implementation) == names.end()) names.push_back(c.implementation);
    for (int row = 0; row < row_count; ++row)
        for (const std::string& name : names) {
            std::vector<const Cell*> cells;
            for (const Cell& c : result.cells)
                if (c.row == static_cast<Row>(row) && c.implementation == name) cells.push_back(&c);
            if (cells.empty()) continue;
            const auto held = static_cast<std::size_t>(std::ranges::count_if(cells, [](const Cell* c) { return c->held; }));
            const Cell& at = worst(cells);
            text += fmt::format("{:<24} {:<11} {:>5} {:>5}  {:>9.2f}  {:<42} {}\n", title_of(at.row), name, cells.size(), held, at.score(), where(at),
                                held == cells.size() ? "HELD" : "FAILED");
        }
    std::string failures;
    for (const Cell& c : result.cells)
        if (!c.held)
            failures += fmt::format("FAILED {}, {} {} {}: measured {:.6g}, theory {:.6g}, {} {:.3g} beyond its limit {:.3g}\n", title_of(c.row), where(c),
                                    c.implementation, name_of(c.dtype), c.measured, c.theory, name_of(c.method), c.statistic, c.limit);
    return text + (failures.empty() ? "" : "\n" + failures);
}

std::string summary_line(const Result& result) {
    const auto held = std::ranges::count_if(result.cells, &Cell::held);
    std::vector<const Cell*> all;
    for (const Cell& c : result.cells) all.push_back(&c);
    const Cell& at = worst(all);
    const char* verdict = !result.settings.criterion() ? "no verdict (the criterion was written for the default m and samples)" : result.held() ? "HELD" : "FAILED";
    return fmt::format("study noise: {}; {} cells held, {} failed; worst deviation/limit {:.2f} ({}, {}); {:.1f} s", verdict, held,
                       static_cast<std::ptrdiff_t>(result.cells.size()) - held, at.score(), title_of(at.row), where(at), result.seconds);
}

std::string json_text(const Result& result) {
    using nlohmann::json;
    const Settings& s = result.settings;
    const auto number = [](double v) { return std::isfinite(v) ? json(v) : json(); };
    json cells = json::array(), means = json::array(), dtypes = json::array();
    for (const DType d : s.dtypes) dtypes.push_back(name_of(d));
    for (const Cell& c : result.cells)
        cells.push_back({{"row", title_of(c.row)}, {"quantity", c.quantity}, {"m", c.m}, {"distribution", name_of(c.distribution)},
                         {"impl", c.implementation}, {"dtype", name_of(c.dtype)}, {"method", name_of(c.method)}, {"n", c.n},
                         {"theory", number(c.theory)}, {"tolerance", c.tolerance}, {"measured", number(c.measured)},
                         {"standard_error", number(c.standard_error)}, {"low", number(c.low)}, {"high", number(c.high)},
                         {"statistic", number(c.statistic)}, {"limit", number(c.limit)}, {"held", c.held}});
    for (const RunningMean& r : result.running_means)
        means.push_back({{"quantity", r.quantity}, {"m", r.m}, {"impl", r.implementation}, {"mean_of_first_1_2_4_8_and_so_on", r.means}});
    const json document{{"study", "noise"},
                        {"settings", {{"m", s.ms}, {"samples", s.samples}, {"seed", s.seed}, {"dtype", dtypes}, {"family_wise_error", s.alpha}}},
                        {"level", result.level}, {"held", result.held()}, {"criterion_applies", s.criterion()}, {"seconds", result.seconds},
                        {"cells", cells}, {"running_means", means}};
    return document.dump(1) + "\n";
}

std::string csv_text(const Result& result) {
    std::string text = "row,quantity,m,distribution,impl,dtype,method,n,theory,tolerance,measured,standard_error,low,high,statistic,limit,held\n";
    const auto number = [](double v) { return std::isfinite(v) ? fmt::format("{}", v) : std::string(); };
    for (const Cell& c : result.cells)
        text += fmt::format("\"{}\",\"{}\",{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", title_of(c.row), c.quantity, c.m, name_of(c.distribution),
                            c.implementation, name_of(c.dtype), name_of(c.method), c.n, number(c.theory), number(c.tolerance), number(c.measured),
                            number(c.standard_error), number(c.low), number(c.high), number(c.statistic), number(c.limit), c.held ? 1 : 0);
    return text;
}

}  // namespace normlab::noise
