// Batch norm and batch renorm trained on normalisation batches of few classes, beside shuffled ones of the same size.
#include <fmt/format.h>

#include "studies/runs/conv_trial.hpp"
#include "studies/runs/panels.hpp"

namespace normlab::studies {
namespace {

constexpr const char *orders[] = {"shuffled", "paired"}, *norms[] = {"bn", "brn"};

std::vector<Run> plan(const Settings& s) {
    json shared = conv_values(s);
    const std::int64_t batch = s.integer("--batch"), each = s.integer("--of-each");
    shared.update({{"batch", batch}, {"groups", 0}, {"of_each", each}});
    std::vector<Run> runs;
    for (const std::int64_t seed : s.integers("--seeds"))
        for (const std::int64_t size : s.integers("--normalisation-batches"))
            for (const std::string& norm : s.list("--variants"))
                for (const std::string& order : s.list("--orders")) {
                    if (batch % size || size % each)
                        throw Error(fmt::format("--normalisation-batches {}; divisors of --batch {} and multiples of --of-each {} are accepted", size, batch, each));
                    Run run{fmt::format("{}-{}-in{}-seed{}", norm, order, size, seed), {{"norm", norm}, {"order", order}, {"normalisation_batch", size}, {"seed", seed}}, 0};
                    run.settings.update(shared);
                    run.seconds = conv_seconds(run.settings);
                    runs.push_back(std::move(run));
                }
    return runs;
}

std::unique_ptr<data::Sampler> sampler(const json& s, const std::string& order, const data::Dataset& set, std::int64_t batch, std::uint64_t seed) {
    if (order == "shuffled") return std::make_unique<data::Epochs>(set.size(), batch, seed);
    const auto size = s.at("normalisation_batch").get<std::int64_t>();
    return std::make_unique<data::ClassGroups>(set, batch, size, static_cast<int>(size / s.at("of_each").get<std::int64_t>()), seed);
}

json run(const json& settings, const Context& context) {
    ConvTrial trial(settings, context.data);
    trial.train(*sampler(settings, settings.at("order"), trial.train_set, trial.batch, trial.seed), 0, trial.steps, context.progress);
    json result{{"error", trial.score(trial.test_set).error}};
    // What the net knows when test samples come as training samples did: by their own batches' statistics, paired.
    std::vector<std::int64_t> indices;
    const auto paired = sampler(settings, "paired", trial.test_set, trial.batch, trial.seed);
    for (std::int64_t k = 0; k < trial.test_set.size() / trial.batch; ++k) {
        const std::span<const std::int64_t> batch = paired->batch(k);
        indices.insert(indices.end(), batch.begin(), batch.end());
    }
    result["in_paired_batches"] = trial.score(data::pick(trial.test_set, indices), nn::Statistics::batch).error;
    return result;
}

struct Cell {
    std::string norm, order;
    std::int64_t size;
    auto operator<=>(const Cell&) const = default;
};

class Results {
public:
    explicit Results(const std::vector<Record>& records) {
        for (const Record& r : records) {
            const json& s = r.settings;
            const Cell cell{s.at("norm"), s.at("order"), s.at("normalisation_batch")};
            for (const char* what : {"error", "in_paired_batches"}) values[what][cell].values[s.at("seed")] = number_of(r.result.at(what));
            if (std::ranges::find(sizes, cell.size) == sizes.end()) sizes.push_back(cell.size);
        }
        std::ranges::sort(sizes);
    }
    BySeed of(const char* norm, const char* order, std::int64_t size, const char* what = "error") const {
        const auto& cells = values.at(what);
        const auto found = cells.find({norm, order, size});
        return found == cells.end() ? BySeed{} : found->second;
    }

    std::map<std::string, std::map<Cell, BySeed>> values;
    std::vector<std::int64_t> sizes;
};

// The claims are judged at the smallest normalisation batch: the fewest classes.
std::map<std::string, Interval> measures_of(const Results& r) {
    const std::int64_t size = r.sizes.front();
    const BySeed bn_loss = r.of("bn", "paired", size) - r.of("bn", "shuffled", size), brn_loss = r.of("brn", "paired", size) - r.of("brn", "shuffled", size);
    std::map<std::string, Interval> m;
    put(m, "bn_paired - bn_shuffled", bn_loss);
    put(m, "brn_loss - bn_loss / 2", brn_loss - bn_loss * 0.5);
    return m;
}

std::string table_of(const Results& r) {
    std::string text = fmt::format("test error in %, mean and 95 % interval over seeds\n\n{:<46}", "normalised in");
    for (const std::int64_t size : r.sizes) text += fmt::format(" {:>15}", size);
    const auto row = [&](const char* norm, const char* order, const char* what, const char* how) {
        text += fmt::format("\n{:<46}", fmt::format("{}, trained {}, {}", norm, order, how));
        for (const std::int64_t size : r.sizes) text += fmt::format(" {:>15}", percent(r.of(norm, order, size, what)));
    };
    for (const char* norm : norms)
        for (const char* order : orders) {
            row(norm, order, "error", "moving averages");
            row(norm, order, "in_paired_batches", "own paired batches");
        }
    return text + "\n";
}

std::string csv_of(const Results& r) {
    std::string text = "norm,order,normalisation_batch,seed,error,in_paired_batches\n";
    for (const auto& [cell, seeds] : r.values.at("error"))
        for (const auto& [seed, error] : seeds.values)
            text += fmt::format("{},{},{},{},{},{}\n", cell.norm, cell.order, cell.size, seed, error, r.values.at("in_paired_batches").at(cell).values.at(seed));
    return text;
}

Figure figure(const Results& r) {
    const auto panel = [&](const char* title, const char* what) {
        std::string axes = fmt::format("set logscale x 2\nset xrange [{}:{}]\nset xtics (2,4,8,16,32,64,128,256)\nset yrange [0:*]\n",
                                       0.85 * static_cast<double>(r.sizes.front()), 1.18 * static_cast<double>(r.sizes.back()));
        Panel p{title, "normalisation batch", "test error, %", axes, {}};
        int style = 0;
        for (const char* norm : norms)
            for (const char* order : orders) {
                Curve c{fmt::format("{}, trained {}", norm, order), style++, {}};
                for (const std::int64_t size : r.sizes) c.points.push_back({static_cast<double>(size), mean_of(r.of(norm, order, size, what) * 100)});
                p.curves.push_back(std::move(c));
            }
        return p;
    };
    return {multiplot("Class-paired normalisation batches: mean and 95 % interval over seeds", 1, 2,
                      {panel("Evaluated with moving averages", "error"), panel("Evaluated in paired batches, by their own statistics", "in_paired_batches")}),
            1100, 460};
}

Report report(const std::vector<Record>& records) {
    const Results results(records);
    return {table_of(results), csv_of(results), figure(results), measures_of(results)};
}

}  // namespace

Study non_iid() {
    Study study;
    study.name = "non-iid";
    study.question = "what do batches of few classes do to batch norm and batch renorm?";
    study.durations = "";
    study.settings = with_conv_settings(
        {{"--variants", "bn, brn", "bn,brn", "", "", words({std::begin(norms), std::end(norms)})},
         {"--orders", "of the training samples: shuffled, paired (every normalisation batch has few classes)", "shuffled,paired", "", "",
          words({std::begin(orders), std::end(orders)})},
         {"--batch", "the optimiser's", "64", "", "", integers(2, 4096)},
         {"--normalisation-batches", "which divide it", "4,8,16", "", "", integers(2, 4096)},
         {"--of-each", "samples of a class in a paired normalisation batch: 2 of each of 2 classes in 4", "2", "", "", integers(1, 4096)}});
    study.plan = plan;
    study.run = run;
    study.report = report;
    return study;
}

}  // namespace normlab::studies
