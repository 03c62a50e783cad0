#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "studies/runs/panels.hpp"
#include "studies/runs/values.hpp"
#include "studies/scale/study.hpp"

namespace normlab::studies::scale_laws {
namespace {

std::vector<const Record*> of(const std::vector<Record>& records, const std::string& experiment) {
    std::vector<const Record*> found;
    for (const Record& r : records)
        if (r.settings.at("experiment") == experiment) found.push_back(&r);
    return found;
}

std::vector<double> values(const std::vector<const Record*>& records, const std::string& name) {
    std::vector<double> list;
    for (const Record* r : records) list.push_back(number(r->result.at(name)));
    return list;
}

// One value a seed: the mean over implementations, which see the same batches and differ by rounding.
Interval by_seed(const std::vector<const Record*>& records, const std::string& name) {
    std::map<std::int64_t, std::vector<double>> seeds;
    for (const Record* r : records) seeds[r->settings.at("seed")].push_back(number(r->result.at(name)));
    std::vector<double> list;
    for (const auto& [seed, own] : seeds) list.push_back(mean_of(own).value);
    return mean_of(list);
}

Curve mean_curve(const std::vector<const Record*>& records, const std::string& title, int style,
                 const std::string& name) {
    Curve c{title, style, {}, Curve::Kind::band};
    for (std::size_t i = 0; !records.empty() && i < records[0]->result.at("step").size(); ++i) {
        std::vector<double> at;
        for (const Record* r : records) at.push_back(number(r->result.at(name).at(i)));
        c.points.push_back({number(records[0]->result["step"][i]), mean_of(at)});
    }
    return c;
}

// A straight line from start with a slope, both means over the records, at the steps of a curve.
Curve law(const std::vector<const Record*>& records, const std::string& start, const std::string& slope,
          const Curve& like) {
    Curve c{"law", 6, {}, Curve::Kind::dashed};
    for (const Point& p : like.points)
        c.points.push_back({p.x, exactly((start.empty() ? 0 : mean_of(values(records, start)).value) +
                                         mean_of(values(records, slope)).value * (start.empty() ? 1 : p.x))});
    return c;
}

Figure figure(const std::vector<Record>& records) {
    const auto growth = of(records, "growth"), decay = of(records, "decay"), wn = of(records, "weight_norm"),
               gradients = of(records, "gradients");
    std::vector<Panel> panels{
        {"Rounding of the exact laws",
         "a",
         "worst error / bound",
         "set logscale xy\nset format x '10^{%L}'\nset format y '10^{%L}'\nset key bottom right\nset yrange "
         "[1e-4:10]\n",
         {}},
        {"SGD without weight decay", "steps", "|w|^4, mean over units", "set key top left\n", {}},
        {"SGD with weight decay", "steps", "|w|^4, mean over units", "set key top right\nset yrange [0:*]\n", {}},
        {"Weight norm", "steps", "|v|, mean over units", "set key top left\nset yrange [0:*]\n", {}}};
    for (const auto& [name, title, style] :
         {std::tuple("orthogonal", "⟨w, ∇L⟩ = 0", 0), std::tuple("inverse_scale", "∇L(aw) = ∇L(w)/a", 1)}) {
        std::map<double, double> ratios;
        for (const Record* r : gradients)
            ratios[r->settings.at("scale")] = std::max(ratios[r->settings.at("scale")], number(r->result.at(name)));
        Curve c{title, style, {}};
        for (const auto& [a, ratio] : ratios) c.points.push_back({a, {ratio}});
        panels[0].curves.push_back(c);
    }
    panels[0].curves.push_back({"bound", 6, {{1e-4, exactly(1)}, {1e4, exactly(1)}}, Curve::Kind::dashed});
    panels[1].curves.push_back(mean_curve(growth, "measured", 0, "fourth_power"));
    panels[1].curves.push_back(law(growth, "start", "law_per_step", panels[1].curves[0]));
    panels[2].curves.push_back(mean_curve(decay, "measured", 0, "fourth_power"));
    panels[2].curves.push_back(law(decay, "", "equilibrium_law", panels[2].curves[0]));
    std::map<double, std::vector<const Record*>> by_rate;
    for (const Record* r : wn) by_rate[r->settings.at("rate")].push_back(r);
    int style = 0;
    for (const auto& [rate, own] : by_rate)
        panels[3].curves.push_back(mean_curve(own, fmt::format("rate {:g}", rate), style++ % 6, "length"));
    return multiplot("Scale invariance: mean over seeds, 95 % interval", 2, panels);
}

}  // namespace

Report report(const std::vector<Record>& records) {
    const auto gradients = of(records, "gradients"), growth = of(records, "growth"), decay = of(records, "decay"),
               wn = of(records, "weight_norm");
    Report out;
    if (!gradients.empty()) {
        out.measures["worst <w, g> / bound"] = exactly(worst(values(gradients, "orthogonal")));
        out.measures["worst gradient scale error / bound"] = exactly(worst(values(gradients, "inverse_scale")));
    }
    if (!growth.empty()) {
        out.measures["worst growth error / bound"] = exactly(worst(values(growth, "growth_error")));
        out.measures["growth / law"] = by_seed(growth, "growth_over_law");
    }
    if (!decay.empty()) out.measures["equilibrium / law"] = by_seed(decay, "equilibrium_over_law");
    double shrank = 0;
    for (const double v : values(wn, "shrank")) shrank += v;
    if (!wn.empty()) out.measures["steps in which |v| shrank"] = exactly(shrank);

    const auto line = [&](const char* name, const std::string& what, std::size_t runs) {
        if (out.measures.contains(name))
            out.table += fmt::format("{:<36}{:<28}{:>5} runs  {}\n", name, text_of(out.measures[name]), runs, what);
    };
    const auto least = [](const std::vector<double>& list) { return list.empty() ? NAN : std::ranges::min(list); };
    line("worst <w, g> / bound", fmt::format("largest cosine of w and g: {:.1e}", worst(values(gradients, "cosine"))),
         gradients.size());
    line("worst gradient scale error / bound", "", gradients.size());
    line("worst growth error / bound",
         fmt::format("the growth itself is at least {:.1e} bounds", least(values(growth, "growth_over_bound"))),
         growth.size());
    line("growth / law", fmt::format("G seen in training over G: {}", text_of(by_seed(growth, "sphere_gradient_seen"))),
         growth.size());
    line("equilibrium / law",
         fmt::format("G seen in training over G: {}", text_of(by_seed(decay, "sphere_gradient_seen"))), decay.size());
    if (!decay.empty()) {  // rate / |w|^2, |w|^2 by its mean fourth power
        std::vector<double> first, last, law;
        for (const Record* r : decay) {
            const double rate = number(r->result.at("rate"));
            first.push_back(rate / std::sqrt(number(r->result.at("start"))));
            last.push_back(rate / std::sqrt(number(r->result.at("fourth_power").back())));
            law.push_back(rate / std::sqrt(number(r->result.at("equilibrium_law"))));
        }
        out.table +=
            fmt::format("{:<36}{:.4g} at first, {:.4g} at the end, sqrt(2 rate decay / G) = {:.4g}\n",
                        "effective rate, rate / |w|^2", mean_of(first).value, mean_of(last).value, mean_of(law).value);
    }
    line("steps in which |v| shrank",
         fmt::format("the largest fall is {:.2g} of what rounding explains",
                     worst(values(wn, "largest_fall_over_bound"))),
         wn.size());

    out.csv = fmt::format("{}\n", columns);
    for (const Record& r : records) {
        const std::string experiment = r.settings.at("experiment");
        const char* parameter = experiment == "gradients" ? "scale" : experiment == "weight_norm" ? "rate" : "step";
        const std::string head =
            fmt::format("{},{},{},{:g}", experiment, r.settings.at("impl").get<std::string>(),
                        r.settings.at("seed").get<std::int64_t>(), r.settings.at(parameter).get<double>());
        if (experiment == "gradients")
            out.csv += fmt::format("{},orthogonal,{:.6g}\n{},inverse_scale,{:.6g}\n", head,
                                   number(r.result.at("orthogonal")), head, number(r.result.at("inverse_scale")));
        else
            for (std::size_t i = 0; i < r.result.at("step").size(); ++i)
                out.csv += fmt::format("{},{},{:.8g}\n", head, r.result["step"][i].get<std::int64_t>(),
                                       number(r.result[experiment == "weight_norm" ? "length" : "fourth_power"][i]));
    }
    out.figure = figure(records);
    return out;
}

}  // namespace normlab::studies::scale_laws
