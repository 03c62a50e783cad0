// A net trained with batch norm on clean images, tested on changed ones: with the population statistics of its
// training, and with those of the changed images.
#include <fmt/format.h>

#include "studies/data/transforms.hpp"
#include "studies/runs/conv_trial.hpp"
#include "studies/runs/panels.hpp"

namespace normlab::studies {
namespace {

struct Domain {
    const char *name, *flag, *title, *axis;
    data::Dataset (*change)(const data::Dataset& set, double strength);
};
constexpr std::uint64_t noise_seed = 0xADA;  // of the images' noise: the same test images for every seed of training

// Contrast about mid-grey: the background becomes grey, not the strokes darker alone.
constexpr Domain domains[] = {
    {"shifted", "--shifts", "Shifted down and right", "pixels of the images as they come",
     [](const data::Dataset& set, double pixels) {
         return data::shift(set, static_cast<std::int64_t>(pixels), static_cast<std::int64_t>(pixels));
     }},
    {"contrast", "--contrasts", "Contrast lowered about mid-grey", "contrast",
     [](const data::Dataset& set, double factor) { return data::contrast(set, factor, (1 - factor) / 2); }},
    {"noise", "--noises", "Noise added", "standard deviation of a pixel",
     [](const data::Dataset& set, double deviation) { return data::add_noise(set, deviation, noise_seed); }}};

std::vector<Run> plan(const Settings& s) {
    json shared = conv_values(s);
    const std::int64_t batch = s.integer("--batch");
    shared.update({{"norm", "bn"},
                   {"batch", batch},
                   {"normalisation_batch", batch},
                   {"groups", 0},
                   {"precise", s.integer("--precise")}});
    for (const Domain& d : domains) shared[d.name] = s.numbers(d.flag);
    std::vector<Run> runs;
    for (const std::int64_t seed : s.integers("--seeds")) {
        Run run{fmt::format("seed{}", seed), {{"seed", seed}}, 0};
        run.settings.update(shared);
        run.seconds = conv_seconds(run.settings);
        runs.push_back(std::move(run));
    }
    return runs;
}

json run(const json& settings, const Context& context) {
    ConvTrial trial(settings, context.data);
    data::Epochs order(trial.train_set.size(), trial.batch, trial.seed);
    trial.train(order, 0, trial.steps, context.progress);
    const auto samples = settings.at("precise").get<std::int64_t>();
    trial.measure_population(trial.train_set, samples);
    const std::vector<nn::Norm*> norms = trial.net.all<nn::Norm>();
    std::vector<State> trained;
    for (const nn::Norm* norm : norms) trained.push_back(norm->state(nn::StatisticsFrom::population));
    json result{{"clean", trial.score(trial.test_set, nn::StatisticsFrom::population).error}};
    for (const Domain& d : domains)
        for (const double strength : settings.at(d.name).get<std::vector<double>>()) {
            const data::Dataset changed = scaled(settings, d.change(trial.test_source, strength));
            for (std::size_t i = 0; i < norms.size(); ++i)
                norms[i]->set_state(nn::StatisticsFrom::population, trained[i]);
            const double frozen = trial.score(changed, nn::StatisticsFrom::population).error;
            trial.measure_population(changed, samples);
            const double swapped = trial.score(changed, nn::StatisticsFrom::population).error;
            result[d.name].push_back({{"strength", strength}, {"frozen", frozen}, {"swapped", swapped}});
        }
    return result;
}

struct Pair {
    BySeed frozen, swapped;
};
using Strengths = std::map<double, Pair>;

struct Results {
    explicit Results(const std::vector<Record>& records) {
        for (const Record& r : records) {
            const std::int64_t seed = r.settings.at("seed");
            clean.values[seed] = number(r.result.at("clean"));
            for (const Domain& d : domains)
                for (const json& j : r.result.at(d.name)) {
                    Pair& pair = of[d.name][j.at("strength").get<double>()];
                    pair.frozen.values[seed] = number(j.at("frozen")),
                    pair.swapped.values[seed] = number(j.at("swapped"));
                }
        }
    }
    BySeed clean;
    std::map<std::string, Strengths> of;
};

// Over all strengths of a domain, so that none is chosen.
BySeed mean_over(const Strengths& strengths, BySeed Pair::*which) {
    BySeed sum;
    for (const auto& [strength, pair] : strengths) sum = sum.empty() ? pair.*which : sum + pair.*which;
    return sum * (1 / static_cast<double>(strengths.size()));
}

// Half recovered: frozen - swapped is more than half of what the change cost, frozen - clean.
std::map<std::string, Interval> measures_of(const Results& r) {
    std::map<std::string, Interval> m;
    for (const auto& [name, strengths] : r.of) {
        const BySeed frozen = mean_over(strengths, &Pair::frozen), swapped = mean_over(strengths, &Pair::swapped);
        put(m, name + ": frozen - swapped", frozen - swapped);
        put(m, name + ": half recovered", frozen - swapped - (frozen - r.clean) * 0.5);
    }
    return m;
}

std::string table_of(const Results& r) {
    std::string text = fmt::format(
        "test error in %, mean and 95 % interval over seeds; clean images: {}\n\n{:<10} {:>9} {:>15} {:>15}\n",
        percent(r.clean), "domain", "strength", "frozen", "re-estimated");
    for (const Domain& d : domains)
        for (const auto& [strength, pair] : r.of.at(d.name))
            text += fmt::format("{:<10} {:>9g} {:>15} {:>15}\n", d.name, strength, percent(pair.frozen),
                                percent(pair.swapped));
    return text;
}

constexpr const char* columns = "domain,strength,seed,clean,frozen,swapped";

std::string csv_of(const Results& r) {
    std::string text = fmt::format("{}\n", columns);
    for (const auto& [name, strengths] : r.of)
        for (const auto& [strength, pair] : strengths)
            for (const auto& [seed, frozen] : pair.frozen.values)
                text += fmt::format("{},{},{},{},{},{}\n", name, strength, seed, r.clean.values.at(seed), frozen,
                                    pair.swapped.values.at(seed));
    return text;
}

Figure figure(const Results& r) {
    std::vector<Panel> panels;
    for (const Domain& d : domains) {
        const std::string falling = std::string_view(d.name) == "contrast" ? "set xrange [*:*] reverse\n" : "";
        Panel p{d.title, d.axis,          "test error, %",     "set ytics 0,20,100\n" + falling,
                {},      Panel::no_floor, Panel::Range::errors};
        Curve frozen{"frozen", 1, {}}, swapped{"re-estimated", 0, {}}, clean{"clean images", 6, {}};
        for (const auto& [strength, pair] : r.of.at(d.name)) {
            frozen.points.push_back({strength, mean_of(pair.frozen * 100)});
            swapped.points.push_back({strength, mean_of(pair.swapped * 100)});
            clean.points.push_back({strength, mean_of(r.clean * 100)});
        }
        p.curves = {frozen, swapped, clean};
        panels.push_back(std::move(p));
    }
    return multiplot("Population statistics of other images: mean and 95 % interval over seeds", 3, panels);
}

}  // namespace

Study adaptation() {
    Study study;
    study.name = "adaptation";
    study.question = "do new population statistics alone adapt a net to shifted, contrast-changed and noisy images?";
    study.columns = columns;
    study.durations = "6 s, --standard 45 s, --paper about 1.1 h on MNIST (2 cores)";
    study.settings = with_conv_settings(
        {{"--batch", "the optimiser's, normalised whole", "64", "", "", integers(2, 4096)},
         {"--shifts", "pixels down and right, of the images as they come", "2,4,6", "", "", integers(0, 1000), true},
         {"--contrasts", "about mid-grey: 1 is unchanged", "0.75,0.5,0.25", "", "", numbers(0, 1), true},
         {"--noises", "standard deviation of what is added to each pixel, of the images as they come", "0.1,0.2,0.4",
          "", "", numbers(0, 10), true},
         {"--precise", "samples from which population statistics are measured, about", "2048", "", "",
          integers(1, 1 << 30)}},
        "1,2,3,4,5", "1,2,3,4,5,6,7,8,9,10");
    study.plan = plan;
    study.run = run;
    study.report = report_by<Results>(table_of, csv_of, figure, measures_of);
    return study;
}

}  // namespace normlab::studies
