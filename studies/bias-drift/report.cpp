#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "studies/bias-drift/study.hpp"
#include "studies/runs/panels.hpp"
#include "studies/runs/values.hpp"

namespace normlab::studies::outside {
namespace {

constexpr const char* ways[] = {"centred", "scaled", "inside"};
constexpr const char* titles[] = {"outside, centred", "outside, scaled too", "inside"};

std::vector<const Record*> of(const std::vector<Record>& records, const std::string& trained, const std::string& way) {
    std::vector<const Record*> found;
    for (const Record& r : records)
        if (r.settings.at("trained") == trained && r.settings.at("way") == way) found.push_back(&r);
    return found;
}

// Mean and the whole range of what no chance enters but the choice of data; unbounded where one is NaN.
Interval range_of(const std::vector<double>& values) {
    const double mean = mean_of(values).value;
    if (std::isnan(mean)) return {mean};
    return {mean, std::ranges::min(values), std::ranges::max(values)};
}

bool ended_early(const Record& r) { return r.result.at("ended") < r.settings.at("steps"); }

std::vector<double> each_of(const std::vector<const Record*>& records, const std::function<double(const json&)>& f) {
    std::vector<double> values;
    for (const Record* r : records) values.push_back(f(r->result));
    return values;
}

Curve curve(const std::vector<const Record*>& records, const std::string& title, int style, const std::string& name) {
    Curve c{title, style, {}, Curve::Kind::band};
    std::size_t looks = records.empty() ? 0 : records[0]->result.at("step").size();
    for (const Record* r : records) looks = std::min(looks, r->result.at("step").size());
    for (std::size_t i = 0; i < looks; ++i) {
        const std::vector<double> values =
            each_of(records, [&](const json& result) { return number(result.at(name).at(i)); });
        c.points.push_back({number(records[0]->result["step"][i]), range_of(values)});
    }
    return c;
}

// Those of one way to normalise.
struct Group {
    std::string trained;
    int way;
    std::vector<const Record*> runs;
};

std::vector<Group> groups_of(const std::vector<Record>& records) {
    std::vector<Group> groups;
    for (const char* trained : {"bias", "all"})
        for (int w = 0; w < 3; ++w)
            if (auto runs = of(records, trained, ways[w]); !runs.empty())
                groups.push_back({trained, w, std::move(runs)});
    return groups;
}

std::map<std::string, Interval> measures_of(const std::vector<Record>& records) {
    std::map<std::string, Interval> measures;
    if (const auto centred = of(records, "bias", "centred"); !centred.empty()) {
        std::vector<double> change;
        for (const Record* r : centred) change.push_back(ended_early(*r) ? NAN : number(r->result.at("loss_change")));
        measures["centred: loss change / bound"] = exactly(worst(change));
        const std::vector<double> growth =
            each_of(centred, [](const json& r) { return number(r.at("growth")) / number(r.at("expected")); });
        measures["centred: bias growth / expected"] = range_of(growth);
    }
    if (const auto inside = of(records, "bias", "inside"); !inside.empty()) {
        std::vector<double> ratios;
        for (const char* trained : {"bias", "all"})
            for (const Record* r : of(records, trained, "inside"))
                ratios.push_back(number(r->result.at("growth")) / number(r->result.at("rounding")));
        measures["inside: bias growth / bound"] = exactly(worst(ratios));
    }
    const auto scaled = of(records, "all", "scaled");
    // In the same seed and by the same implementation: how far the bias went, over how far another way's `what` did.
    const auto over = [&](const char* way, const char* what) {
        std::vector<double> ratios;
        for (const Record* s : scaled)
            for (const Record* r : of(records, "all", way))
                if (s->settings.at("seed") == r->settings.at("seed") &&
                    s->settings.at("impl") == r->settings.at("impl"))
                    ratios.push_back(number(s->result.at("growth")) / number(r->result.at(what)));
        if (!ratios.empty()) measures[fmt::format("scaled: bias growth / {}", way)] = range_of(ratios);
    };
    over("inside", "travel");  // all that the right way trains
    over("centred", "growth");
    if (!scaled.empty())
        measures["scaled: bias growth, second half / first"] = range_of(
            each_of(scaled, [](const json& r) { return number(r.at("growth")) / number(r.at("half_way")) - 1; }));
    return measures;
}

std::string table_of(const std::vector<Group>& groups) {
    std::string table = fmt::format("{:<10}{:<22}{:>5}  {:<34}{:<34}{}\n", "trained", "normalisation", "runs",
                                    "bias moved by", "weights and bias moved by", "loss at the end");
    for (const Group& g : groups) {
        const auto text = [&](const std::function<double(const json&)>& f) {
            return text_of(range_of(each_of(g.runs, f)));
        };
        const auto ended = std::ranges::count_if(g.runs, [](const Record* r) { return ended_early(*r); });
        table +=
            fmt::format("{:<10}{:<22}{:>5}  {:<34}{:<34}{}{}\n", g.trained, titles[g.way], g.runs.size(),
                        text([](const json& r) { return number(r.at("growth")); }),
                        text([](const json& r) { return number(r.at("travel")); }),
                        text([](const json& r) { return r.at("loss").empty() ? NAN : number(r.at("loss").back()); }),
                        ended ? fmt::format("; {} reached infinity", ended) : "");
    }
    return table + "(mean over runs, and the whole range)\n";
}

std::string csv_of(const std::vector<Group>& groups) {
    std::string csv = fmt::format("{}\n", columns);
    for (const Group& g : groups)
        for (const Record* r : g.runs)
            for (std::size_t i = 0; i < r->result.at("step").size(); ++i)
                csv +=
                    fmt::format("{},{},{},{},{},{:.10g},{:.10g},{:.10g}\n", g.trained, ways[g.way],
                                r->settings.at("impl").get<std::string>(), r->settings.at("seed").get<std::int64_t>(),
                                r->result["step"][i].get<std::int64_t>(), number(r->result["loss"][i]),
                                number(r->result["bias"][i]), number(r->result["weights"][i]));
    return csv;
}

Figure figure_of(const std::vector<Group>& groups) {
    std::vector<Panel> panels;
    for (const auto& [trained, what] : {std::pair("bias", "the bias alone"), std::pair("all", "weights and bias")}) {
        const std::string title = fmt::format("Trained: {}", what);
        Panel bias{
            title,
            "steps",
            "|b − b_0|",
            "set logscale xy\nset format y '10^{%L}'\nset key at graph 0.98, graph 0.6\nset yrange [1e-17:1e5]\n",
            {},
            1e-18};
        Panel loss{title, "steps", "loss", "set logscale x\nset key bottom left\nset yrange [0:*]\n", {}};
        for (const Group& g : groups) {
            if (g.trained != trained) continue;
            bias.curves.push_back(curve(g.runs, titles[g.way], g.way, "bias"));
            loss.curves.push_back(curve(g.runs, titles[g.way], g.way, "loss"));
        }
        panels.push_back(std::move(bias)), panels.push_back(std::move(loss));
    }
    return multiplot("Normalisation outside and inside the gradient step: mean over seeds, and the whole range", 2,
                     panels);
}

}  // namespace

Report report(const std::vector<Record>& records) {
    const std::vector<Group> groups = groups_of(records);
    return {table_of(groups), csv_of(groups), figure_of(groups), measures_of(records)};
}

}  // namespace normlab::studies::outside
