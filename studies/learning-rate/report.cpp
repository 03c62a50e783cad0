#include <algorithm>

#include <fmt/format.h>

#include "studies/learning-rate/results.hpp"
#include "studies/learning-rate/study.hpp"
#include "studies/runs/panels.hpp"

namespace normlab::studies::rates {
namespace {

struct Row {
    std::string title;
    const char *activation, *norm;
    double factor;
};
const Row rows[] = {{"plain", "relu", "none", 1},
                    {"batch norm", "relu", "batch_norm", 1},
                    {"batch norm x5", "relu", "batch_norm", 5},
                    {"batch norm x30", "relu", "batch_norm", 30},
                    {"plain x5", "relu", "none", 5},
                    {"batch norm x5, sigmoid", "sigmoid", "batch_norm", 5},
                    {"plain sigmoid", "sigmoid", "none", 1}};

// Runs of a row: the usual initialisation, and the deepest net of sigmoids.
Selected select_row(const std::vector<Record>& records, const Row& row) {
    Selected found;
    for (const double layers : values_of(records, "layers"))
        if (Selected s = select(records, {{"activation", row.activation},
                                          {"norm", row.norm},
                                          {"factor", row.factor},
                                          {"init", 1},
                                          {"layers", layers}});
            !s.empty())
            found = s;
    return found;
}

std::string table(const std::vector<Record>& records) {
    std::string text = fmt::format("{:<24}{:>7}{:>7}  {:<32}{:<28}{}\n", "net", "layers", "seeds",
                                   "steps to plain's best", "best accuracy", "accuracy at the end");
    const Selected plain = select_row(records, rows[0]);
    for (const Row& row : rows) {
        const Selected runs = select_row(records, row);
        if (runs.empty()) continue;
        int reached = 0;
        for (const auto& [seed, r] : runs)
            if (const auto p = plain.find(seed); p != plain.end()) reached += best(*r) >= best(*p->second) ? 1 : 0;
        const std::vector<double> steps =
            each_pair(runs, plain, [](const Record& r, const Record& p) { return steps_to(r, best(p)); });
        const std::string to = reached == 0 ? "never"
                                            : fmt::format("{}{}", text_of(mean_of(steps)),
                                                          reached < static_cast<int>(steps.size())
                                                              ? fmt::format(" ({} of {})", reached, steps.size())
                                                              : "");
        text += fmt::format("{:<24}{:>7}{:>7}  {:<32}{:<28}{}\n", row.title,
                            runs.begin()->second->settings.at("layers").get<int>(), runs.size(), to,
                            text_of(mean_of(each(runs, best))), text_of(mean_of(each(runs, final_accuracy))));
    }
    text += fmt::format("\nfinal accuracy at rate / {:g}\n{:<12}{:>6}", records.at(0).settings.at("rate").get<double>(),
                        "net", "init");
    const std::vector<double> factors = values_of(records, "factor");
    for (const double f : factors) text += fmt::format("{:>8g}", f);
    text += "  largest stable\n";
    for (const double init : values_of(records, "init"))
        for (const char* norm : {"none", "batch_norm"}) {
            const ByFactor net = by_factor(records, {{"activation", "relu"}, {"norm", norm}, {"init", init}});
            if (net.empty()) continue;
            text += fmt::format("{:<12}{:>6g}", norm, init);
            std::vector<double> largest;
            for (const double f : factors)
                text += net.contains(f) ? fmt::format("{:>8.4f}", mean_of(each(net.at(f), final_accuracy)).value)
                                        : fmt::format("{:>8}", "");
            for (const auto& [seed, r] : net.begin()->second) largest.push_back(largest_stable(net, seed));
            text += fmt::format("  {}\n", std::ranges::max(largest) > 0 ? text_of(mean_ratio(largest)) : "none learns");
        }
    return text;
}

Panel progress_panel(const std::vector<Record>& records) {
    Panel p{"Accuracy against steps",
            "steps",
            "held-out accuracy",
            "set key at graph 0.98, graph 0.72\nset yrange [0:1]\n",
            {}};
    const auto looks = [](const Record& r) { return r.result.at("step").size(); };
    const auto longest = std::ranges::max_element(records, {}, looks);
    int style = 0;
    for (const Row& row : rows) {
        const Selected runs = select_row(records, row);
        Curve c{row.title, style++, {}, Curve::Kind::band};
        if (runs.empty()) continue;
        for (const json& step : longest->result.at("step")) {  // a diverged run stays where it ended
            const auto at = [&](const Record& r) {
                double accuracy = NAN;
                for (std::size_t i = 0; i < r.result.at("step").size() && r.result["step"][i] <= step; ++i)
                    accuracy = number(r.result["accuracy"][i]);
                return accuracy;
            };
            c.points.push_back({step.get<double>(), mean_of(each(runs, at))});
        }
        p.curves.push_back(c);
    }
    return p;
}

Figure figure(const std::vector<Record>& records) {
    const double rate = records.at(0).settings.at("rate");
    std::vector<Panel> panels{
        progress_panel(records),
        {"Accuracy against the learning rate",
         "learning rate",
         "accuracy at the end",
         "set logscale x\nset format x '%g'\nset key bottom left\nset yrange [0:1]\n",
         {}},
        {"Largest stable learning rate",
         "scale of the first weights, in units of He''s",
         "learning rate",
         "set logscale xy\nset key top right\nset xrange [0.2:5]\n",
         {},
         1e-9},
        {"Depth: nets of sigmoids", "hidden layers", "best accuracy", "set key bottom left\nset yrange [0:1]\n", {}}};
    int style = 0;
    for (const auto& [norm, title] : {std::pair("none", "plain"), std::pair("batch_norm", "batch norm")}) {
        Curve largest{title, style, {}};
        for (const double init : values_of(records, "init")) {
            const ByFactor net = by_factor(records, {{"activation", "relu"}, {"norm", norm}, {"init", init}});
            if (net.empty()) continue;
            Curve c{init == 1 ? title : "", style, {}};
            for (const auto& [factor, runs] : net)
                c.points.push_back({rate * factor, mean_of(each(runs, final_accuracy))});
            if (init == 1) panels[1].curves.push_back(c);
            std::vector<double> rates;
            for (const auto& [seed, r] : net.begin()->second) rates.push_back(rate * largest_stable(net, seed));
            if (std::ranges::min(rates) > 0) largest.points.push_back({init, mean_ratio(rates)});
        }
        panels[2].curves.push_back(largest);
        for (const double factor : {1.0, 5.0, 30.0}) {
            Curve c{fmt::format("{} x{:g}", title, factor), style == 1 ? 5 : factor == 1 ? 6 : factor == 5 ? 4 : 3, {}};
            for (const double layers : values_of(records, "layers"))
                if (const Selected runs = select(
                        records, {{"activation", "sigmoid"}, {"norm", norm}, {"factor", factor}, {"layers", layers}});
                    !runs.empty())
                    c.points.push_back({layers, mean_of(each(runs, best))});
            if (!c.points.empty()) panels[3].curves.push_back(c);
        }
        ++style;
    }
    return multiplot("Learning rates with and without batch norm: mean over seeds, 95 % interval", 2, panels);
}

std::string csv(const std::vector<Record>& records) {
    std::string text = fmt::format("{}\n", columns);
    for (const Record& r : records)
        for (std::size_t i = 0; i < r.result.at("step").size(); ++i)
            text +=
                fmt::format("{},{},{},{:g},{:g},{},{},{:.6g},{:.6g}\n", r.settings.at("activation").get<std::string>(),
                            r.settings.at("norm").get<std::string>(), r.settings.at("layers").get<int>(),
                            r.settings.at("factor").get<double>(), r.settings.at("init").get<double>(),
                            r.settings.at("seed").get<std::int64_t>(), r.result["step"][i].get<std::int64_t>(),
                            number(r.result["accuracy"][i]), number(r.result["training_loss"][i]));
    return text;
}

}  // namespace

Report report(const std::vector<Record>& records) {
    return {table(records), csv(records), figure(records), measures(records)};
}

}  // namespace normlab::studies::rates
