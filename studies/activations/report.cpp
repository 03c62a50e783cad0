#include <algorithm>

#include <fmt/format.h>

#include "studies/activations/study.hpp"
#include "studies/runs/panels.hpp"
#include "studies/runs/values.hpp"

namespace normlab::studies::sigmoids {
namespace {

constexpr const char* titles[] = {"plain", "batch norm"};

// A number of each logged step: of the column, or of the k-th member of its entries.
std::vector<double> column(const Record& r, const std::string& name, int k = -1) {
    std::vector<double> values;
    for (const json& v : r.result.at(name)) values.push_back(number(k < 0 ? v : v.at(static_cast<std::size_t>(k))));
    return values;
}

Curve curve(const Selected& runs, const std::string& title, int style, const std::string& name, int k = -1) {
    Curve c{title, style, {}, Curve::Kind::band};
    if (runs.empty()) return c;
    const std::vector<double> steps = column(*runs.begin()->second, "step");
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const std::vector<double> values = each(runs, [&](const Record& r) { return column(r, name, k).at(i); });
        c.points.push_back({steps[i], name == "gradient_norm" ? mean_ratio(values) : mean_of(values)});
    }
    return c;
}

double last(const Record& r, const std::string& name, int k = -1) { return column(r, name, k).back(); }

double smallest_gap(const Record& bn, const Record& plain) {
    const std::vector<double> a = column(bn, "accuracy"), b = column(plain, "accuracy");
    double smallest = HUGE_VAL;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) smallest = std::min(smallest, a[i] - b[i]);
    return smallest;
}

// |skewness| and excess kurtosis of u, W u + b and g, in each layer, at the end.
std::string shapes(const Selected runs[2], int layers) {
    std::string text = fmt::format("\n{:<12}{:>7}  {:>22}  {:>22}  {:>22}\n", "at the end", "layer",
                                   "u: |skewness| kurtosis", "W u + b", "g(.)");
    for (int n = 0; n < 2; ++n)
        for (int h = 0; h < layers && !runs[n].empty(); ++h) {
            text += fmt::format("{:<12}{:>7}", titles[n], h + 1);
            for (const char* what : {"u", "Wu + b", "g"}) {
                const auto mean = [&](const char* which) {
                    return mean_of(each(runs[n],
                                        [&](const Record& r) {
                                            return number(r.result.at(which).at(what).at(static_cast<std::size_t>(h)));
                                        }))
                        .value;
                };
                text += fmt::format("  {:>13.2f} {:>8.2f}", mean("skewness"), mean("kurtosis"));
            }
            text += "\n";
        }
    return text;
}

std::string csv(const std::vector<Record>& records, int layers) {
    std::string text = columns;
    for (int h = 0; h < layers; ++h) text += fmt::format(",saturated_{}", h + 1);
    for (int h = 0; h <= layers; ++h) text += fmt::format(",gradient_norm_{}", h + 1);
    text += "\n";
    for (const Record& r : records)
        for (std::size_t i = 0; i < r.result.at("step").size(); ++i) {
            text += fmt::format("{},{},{},{:.6g},{:.6g},{:.6g}", r.settings.at("norm").get<std::string>(),
                                r.settings.at("seed").get<int>(), r.result["step"][i].get<std::int64_t>(),
                                number(r.result["accuracy"][i]), number(r.result["training_loss"][i]),
                                number(r.result["validation_loss"][i]));
            for (const char* name : {"percentiles", "saturated", "gradient_norm"})
                for (const json& v : r.result[name][i]) text += fmt::format(",{:.6g}", number(v));
            text += "\n";
        }
    return text;
}

Figure figure(const Selected runs[2], int layers) {
    const std::string steps = "steps";
    std::vector<Panel> panels{
        {"Held-out accuracy", steps, "accuracy", "set key bottom right\n", {}},
        {"Loss: held-out, and training (dashed)",
         steps,
         "cross-entropy",
         "set logscale y\nset key top right\n",
         {},
         1e-6},
        {"Saturated sigmoids, last hidden layer",
         steps,
         "outputs < 0.05 or > 0.95",
         "set key top left\nset yrange [0:*]\n",
         {}},
        {"Plain: input of a sigmoid of the last layer", steps, "15th, 50th, 85th percentile", "", {}},
        {"Batch norm: input of a sigmoid of the last layer", steps, "15th, 50th, 85th percentile", "", {}},
        {"Gradient norm: last hidden layer, first (dashed)",
         steps,
         "|dL/dW|",
         "set logscale y\nset format y '10^{%L}'\nset key bottom left\n",
         {}}};
    double end = 1;
    for (int n = 0; n < 2; ++n)
        for (const auto& [seed, r] : runs[n]) end = std::max(end, last(*r, "step"));
    for (Panel& p : panels) p.settings += fmt::format("set xrange [0:{}]\nset xtics {}\n", end, end / 5);
    for (int n = 0; n < 2; ++n) {
        panels[0].curves.push_back(curve(runs[n], titles[n], n, "accuracy"));
        panels[1].curves.push_back(curve(runs[n], titles[n], n, "validation_loss"));
        panels[1].curves.push_back(curve(runs[n], "", n, "training_loss"));
        panels[1].curves.back().kind = Curve::Kind::dashed;
        panels[2].curves.push_back(curve(runs[n], titles[n], n, "saturated", layers - 1));
        std::vector<Curve>& percentiles = panels[static_cast<std::size_t>(3 + n)].curves;
        for (int k = 0; k < 3 && !runs[n].empty(); ++k) {  // of one net, as in the paper
            percentiles.push_back(curve({*runs[n].begin()}, "", n, "percentiles", k));
            percentiles.back().kind = k == 1 ? Curve::Kind::line : Curve::Kind::dashed;
        }
        panels[5].curves.push_back(curve(runs[n], titles[n], n, "gradient_norm", layers - 1));
        panels[5].curves.push_back(curve(runs[n], "", n, "gradient_norm", 0));
        panels[5].curves.back().kind = Curve::Kind::dashed;
    }
    return multiplot("Three layers of sigmoids with and without batch norm: mean over seeds, 95 % interval", 3, panels);
}

}  // namespace

Report report(const std::vector<Record>& records) {
    const Selected runs[] = {select(records, {{"norm", "none"}}), select(records, {{"norm", "batch_norm"}})};
    const int layers = records.at(0).settings.at("layers");
    Report out;
    out.measures["smallest accuracy gap"] = mean_of(each_pair(runs[1], runs[0], smallest_gap));
    out.measures["bn_drift / plain_drift"] =
        mean_ratio(each_pair(runs[1], runs[0], [](const Record& bn, const Record& plain) {
            return number(bn.result.at("drift")) / number(plain.result.at("drift"));
        }));
    out.table = fmt::format("{:<12}{:>6}  {:<30}{:<30}{:<34}{:<30}{}\n", "net", "seeds", "accuracy", "validation loss",
                            "training loss", "drift / spread", "saturated, last layer");
    for (int n = 0; n < 2; ++n) {
        const auto text = [&](const std::function<double(const Record&)>& f) {
            return text_of(mean_of(each(runs[n], f)));
        };
        out.table += fmt::format("{:<12}{:>6}  {:<30}{:<30}{:<34}{:<30}{}\n", titles[n], runs[n].size(),
                                 text([](const Record& r) { return last(r, "accuracy"); }),
                                 text([](const Record& r) { return last(r, "validation_loss"); }),
                                 text([](const Record& r) { return last(r, "training_loss"); }),
                                 text([](const Record& r) { return number(r.result.at("drift")); }),
                                 text([&](const Record& r) { return last(r, "saturated", layers - 1); }));
    }
    out.table += shapes(runs, layers);
    out.csv = csv(records, layers);
    out.figure = figure(runs, layers);
    return out;
}

}  // namespace normlab::studies::sigmoids
