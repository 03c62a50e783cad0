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

}  // namespace

Report report(const std::vector<Record>& records) {
    Report out;
    if (const auto centred = of(records, "bias", "centred"); !centred.empty()) {
        std::vector<double> change;
        for (const Record* r : centred) change.push_back(ended_early(*r) ? NAN : number(r->result.at("loss_change")));
        out.measures["centred: loss change / bound"] = exactly(worst(change));
        const std::vector<double> growth =
            each_of(centred, [](const json& r) { return number(r.at("growth")) / number(r.at("expected")); });
        out.measures["centred: bias growth / expected"] = range_of(growth);
    }
    if (const auto inside = of(records, "bias", "inside"); !inside.empty()) {
        std::vector<double> ratios;
        for (const char* trained : {"bias", "all"})
            for (const Record* r : of(records, trained, "inside"))
                ratios.push_back(number(r->result.at("growth")) / number(r->result.at("rounding")));
        out.measures["inside: bias growth / bound"] = exactly(worst(ratios));
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
        if (!ratios.empty()) out.measures[fmt::format("scaled: bias growth / {}", way)] = range_of(ratios);
    };
    over("inside", "travel");  // all that the right way trains
    over("centred", "growth");
    if (!scaled.empty())
        out.measures["scaled: bias growth, second half / first"] = range_of(
            each_of(scaled, [](const json& r) { return number(r.at("growth")) / number(r.at("half_way")) - 1; }));

    out.table = fmt::format("{:<10}{:<22}{:>5}  {:<34}{:<34}{}\n", "trained", "normalisation", "runs", "bias moved by",
                            "weights and bias moved by", "loss at the end");
    out.csv = "trained,way,implementation,seed,step,loss,bias,weights\n";
    std::vector<Panel> panels;
    for (const auto& [trained, what] : {std::pair("bias", "the bias alone"), std::pair("all", "weights and bias")}) {
        panels.push_back(
            {fmt::format("Trained: {}", what),
             "steps",
             "|b − b_0|",
             "set logscale xy\nset format y '10^{%L}'\nset key at graph 0.98, graph 0.6\nset yrange [1e-17:1e5]\n",
             {},
             1e-18});
        panels.push_back({fmt::format("Trained: {}", what),
                          "steps",
                          "loss",
                          "set logscale x\nset key bottom left\nset yrange [0:*]\n",
                          {}});
        for (int w = 0; w < 3; ++w) {
            const auto runs = of(records, trained, ways[w]);
            if (runs.empty()) continue;
            const auto text = [&](const std::function<double(const json&)>& f) {
                return text_of(range_of(each_of(runs, f)));
            };
            const auto ended = std::ranges::count_if(runs, [](const Record* r) { return ended_early(*r); });
            out.table += fmt::format(
                "{:<10}{:<22}{:>5}  {:<34}{:<34}{}{}\n", trained, titles[w], runs.size(),
                text([](const json& r) { return number(r.at("growth")); }),
                text([](const json& r) { return number(r.at("travel")); }),
                text([](const json& r) { return r.at("loss").empty() ? NAN : number(r.at("loss").back()); }),
                ended ? fmt::format("; {} reached infinity", ended) : "");
            panels[panels.size() - 2].curves.push_back(curve(runs, titles[w], w, "bias"));
            panels.back().curves.push_back(curve(runs, titles[w], w, "loss"));
            for (const Record* r : runs)
                for (std::size_t i = 0; i < r->result.at("step").size(); ++i)
                    out.csv += fmt::format("{},{},{},{},{},{:.10g},{:.10g},{:.10g}\n", trained, ways[w],
                                           r->settings.at("impl").get<std::string>(),
                                           r->settings.at("seed").get<std::int64_t>(),
                                           r->result["step"][i].get<std::int64_t>(), number(r->result["loss"][i]),
                                           number(r->result["bias"][i]), number(r->result["weights"][i]));
        }
    }
    out.table += "(mean over runs, and the whole range)\n";
    out.figure = multiplot("Normalisation outside and inside the gradient step: mean over seeds, and the whole range",
                           2, panels);
    return out;
}

}  // namespace normlab::studies::outside
