#include "studies/noise/results.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "norms/names.hpp"
#include "studies/runs/values.hpp"

namespace normlab::noise {
namespace {

// The one of an enumeration's first values that has this name.
template <class Enum>
Enum named(std::string_view name, std::string_view (*name_of)(Enum), int count) {
    for (int i = 0; i < count; ++i)
        if (name_of(static_cast<Enum>(i)) == name) return static_cast<Enum>(i);
    throw Error(fmt::format("a record says '{}'; what this study writes now is accepted", name));
}

Cell cell_of(const json& j, const json& settings) {
    const auto number = [&](const char* key) { return studies::number(j.at(key)); };
    return {.row = named<Row>(j.at("row").get<std::string>(), title_of, row_count),
            .quantity = j.at("quantity"),
            .implementation = settings.at("impl"),
            .dtype = parse_dtype(settings.at("dtype").get<std::string>()),
            .m = settings.at("m"),
            .distribution = named<Distribution>(j.at("distribution").get<std::string>(), name_of, 3),
            .method = named<Method>(j.at("method").get<std::string>(), name_of, 4),
            .n = j.at("n"),
            .theory = number("theory"),
            .tolerance = number("tolerance"),
            .measured = number("measured"),
            .standard_error = number("standard_error"),
            .statistic = number("statistic")};
}

template <class T>
void add_new(std::vector<T>& list, const T& value) {
    if (std::ranges::find(list, value) == list.end()) list.push_back(value);
}

}  // namespace

json json_of(const Cell& c) {
    return {{"row", title_of(c.row)},
            {"quantity", c.quantity},
            {"distribution", name_of(c.distribution)},
            {"method", name_of(c.method)},
            {"n", c.n},
            {"theory", c.theory},
            {"tolerance", c.tolerance},
            {"measured", c.measured},
            {"standard_error", c.standard_error},
            {"statistic", c.statistic}};
}

json result_of(const Measured& measured) {
    json result{{"cells", json::array()}, {"running_means", json::array()}};
    for (const Cell& c : measured.cells) result["cells"].push_back(json_of(c));
    for (const RunningMean& r : measured.running_means)
        result["running_means"].push_back({{"quantity", r.quantity}, {"means", r.means}});
    return result;
}

Results::Results(const std::vector<studies::Record>& records)
    : samples(records.at(0).settings.at("samples")), seed(records.at(0).settings.at("seed")) {
    for (const studies::Record& r : records) {
        add_new<std::int64_t>(ms, r.settings.at("m"));
        add_new<std::string>(dtypes, r.settings.at("dtype"));
        for (const json& j : r.result.at("cells")) cells.push_back(cell_of(j, r.settings));
        for (const json& j : r.result.at("running_means"))
            running_means.push_back(
                {j.at("quantity"), r.settings.at("impl"), r.settings.at("m"), studies::numbers(j.at("means"))});
    }
    std::ranges::stable_sort(cells, {}, &Cell::row);
    level = judge(cells, alpha);
}

bool Results::criterion_applies() const {
    return samples == criterion_samples && fmt::format("{}", fmt::join(ms, ",")) == criterion_ms;
}

bool Results::held() const { return std::ranges::all_of(cells, &Cell::held); }

}  // namespace normlab::noise
