// Batch norm and batch renorm trained on normalisation batches of few classes, beside shuffled ones of the same size.
#include <set>

#include <fmt/format.h>

#include "studies/runs/conv_trial.hpp"
#include "studies/runs/panels.hpp"

namespace normlab::studies {
namespace {

constexpr const char* norms[] = {"bn", "brn"};

// of_each: samples of a class in a paired normalisation batch; 0: shuffled.
struct Cell {
    std::string norm;
    std::int64_t of_each = 0, size = 0;
    auto operator<=>(const Cell&) const = default;
    std::string order() const { return of_each ? fmt::format("{} of each class", of_each) : "shuffled"; }
};

std::vector<Run> plan(const Settings& s) {
    json shared = conv_values(s);
    const std::int64_t batch = s.integer("--batch");
    shared.update({{"batch", batch}, {"groups", 0}, {"tested_of_each", s.integers("--of-each")}});
    std::vector<std::int64_t> orders{0};
    for (const std::int64_t each : s.integers("--of-each")) orders.push_back(each);
    std::vector<Run> runs;
    for (const std::int64_t seed : s.integers("--seeds"))
        for (const std::int64_t size : s.integers("--normalisation-batches"))
            for (const std::string& norm : s.list("--variants"))
                for (const std::int64_t each : orders) {
                    if (batch % size || (each && size % each))
                        throw Error(
                            fmt::format("--normalisation-batches {}; divisors of --batch {} and multiples of --of-each "
                                        "{} are accepted",
                                        size, batch, each));
                    Run run{fmt::format("{}-in{}-{}-seed{}", norm, size,
                                        each ? fmt::format("{}ofeach", each) : "shuffled", seed),
                            {{"norm", norm}, {"of_each", each}, {"normalisation_batch", size}, {"seed", seed}},
                            0};
                    run.settings.update(shared);
                    run.seconds = conv_seconds(run.settings);
                    runs.push_back(std::move(run));
                }
    return runs;
}

data::ClassGroups paired(const ConvTrial& trial, const data::Dataset& set, std::int64_t of_each) {
    const std::int64_t size = trial.normalisation_batch;
    return {set, trial.batch, size, static_cast<int>(size / of_each), trial.seed};
}

json run(const json& settings, const Context& context) {
    ConvTrial trial(settings, context.data);
    if (const std::int64_t each = settings.at("of_each")) {
        data::ClassGroups order = paired(trial, trial.train_set, each);
        trial.train(order, 0, trial.steps, context.progress);
    } else {
        data::Epochs order(trial.train_set.size(), trial.batch, trial.seed);
        trial.train(order, 0, trial.steps, context.progress);
    }
    json result{{"error", trial.score(trial.test_set).error}};
    // What the net knows of test samples that come paired, by the statistics of their own batches.
    for (const std::int64_t each : settings.at("tested_of_each").get<std::vector<std::int64_t>>()) {
        data::ClassGroups order = paired(trial, trial.test_set, each);
        std::vector<std::int64_t> indices;
        for (std::int64_t k = 0; k < trial.test_set.size() / trial.batch; ++k)
            std::ranges::copy(order.batch(k), std::back_inserter(indices));
        result["in_paired_batches"].push_back(
            {{"of_each", each},
             {"error", trial.score(data::pick(trial.test_set, indices), nn::StatisticsFrom::batch).error}});
    }
    return result;
}

struct Results {
    explicit Results(const std::vector<Record>& records) {
        std::set<std::int64_t> all_sizes, all_counts;
        for (const Record& r : records) {
            const Cell cell{r.settings.at("norm"), r.settings.at("of_each"), r.settings.at("normalisation_batch")};
            const std::int64_t seed = r.settings.at("seed");
            error[cell].values[seed] = number(r.result.at("error"));
            for (const json& j : r.result.at("in_paired_batches"))
                in_paired_batches[{cell, j.at("of_each").get<std::int64_t>()}].values[seed] = number(j.at("error"));
            all_sizes.insert(cell.size);
            if (cell.of_each) all_counts.insert(cell.of_each);
        }
        sizes.assign(all_sizes.begin(), all_sizes.end()), counts.assign(all_counts.begin(), all_counts.end());
    }
    BySeed moving(const Cell& cell) const {
        const auto found = error.find(cell);
        return found == error.end() ? BySeed{} : found->second;
    }
    BySeed paired(const Cell& cell, std::int64_t of_each) const {
        const auto found = in_paired_batches.find({cell, of_each});
        return found == in_paired_batches.end() ? BySeed{} : found->second;
    }

    std::map<Cell, BySeed> error;  // evaluated with moving averages
    // by the test batches' own statistics, so many of each class in them
    std::map<std::pair<Cell, std::int64_t>, BySeed> in_paired_batches;
    std::vector<std::int64_t> sizes, counts;
};

// The claims are judged where class-paired says it: at the smallest number of samples of a class, in the smallest
// normalisation batch.
std::map<std::string, Interval> measures_of(const Results& r) {
    std::map<std::string, Interval> m;
    if (r.sizes.empty() || r.counts.empty()) return m;
    const std::int64_t size = r.sizes.front(), each = r.counts.front();
    const BySeed bn_loss = r.moving({"bn", each, size}) - r.moving({"bn", 0, size}),
                 brn_loss = r.moving({"brn", each, size}) - r.moving({"brn", 0, size});
    put(m, "bn_paired - bn_shuffled", bn_loss);
    put(m, "brn_loss - bn_loss / 2", brn_loss - bn_loss * 0.5);
    return m;
}

std::vector<std::int64_t> orders_of(const Results& r) {
    std::vector<std::int64_t> orders{0};
    orders.insert(orders.end(), r.counts.begin(), r.counts.end());
    return orders;
}

std::string table_of(const Results& r) {
    std::string text = "test error in %, mean and 95 % interval over seeds\n";
    const auto row = [&](const std::string& title, auto values) {
        text += fmt::format("{:<26}", title);
        for (const std::int64_t size : r.sizes) text += fmt::format(" {:>15}", percent(values(size)));
        text += "\n";
    };
    const auto block = [&](const std::string& title, auto values) {
        text += fmt::format("\n{}\n{:<26}", title, "trained, normalised in");
        for (const std::int64_t size : r.sizes) text += fmt::format(" {:>15}", size);
        text += "\n";
        for (const char* norm : norms)
            for (const std::int64_t each : orders_of(r))
                row(fmt::format("{}, {}", norm, Cell{norm, each, 0}.order()), [&](std::int64_t size) {
                    return values(Cell{norm, each, size});
                });
    };
    block("evaluated with moving averages", [&](const Cell& c) { return r.moving(c); });
    for (const std::int64_t each : r.counts)
        block(fmt::format("evaluated by the test batches' own statistics, {} of each class in them", each),
              [&](const Cell& c) { return r.paired(c, each); });
    return text;
}

constexpr const char* columns = "norm,trained_of_each,normalisation_batch,seed,error";

std::string csv_of(const Results& r) {
    std::string text = columns;
    for (const std::int64_t each : r.counts) text += fmt::format(",error_in_batches_of_{}_of_each", each);
    for (const auto& [cell, seeds] : r.error)
        for (const auto& [seed, error] : seeds.values) {
            text += fmt::format("\n{},{},{},{},{}", cell.norm, cell.of_each, cell.size, seed, error);
            for (const std::int64_t each : r.counts) text += fmt::format(",{}", r.paired(cell, each).values.at(seed));
        }
    return text + "\n";
}

// A column for each way to pair.
Figure figure(const Results& r) {
    const auto panel = [&](const std::string& title, std::int64_t each, auto values) {
        Panel p{title, "normalisation batch", "test error, %",     powers_of_two(r.sizes),
                {},    Panel::no_floor,       Panel::Range::errors};
        int style = 0;
        for (const char* norm : norms)
            for (const std::int64_t order : {std::int64_t{0}, each}) {
                Curve c{fmt::format("{}, trained {}", norm, Cell{norm, order, 0}.order()), style++, {}};
                for (const std::int64_t size : r.sizes)
                    c.points.push_back({static_cast<double>(size), mean_of(values(Cell{norm, order, size}) * 100)});
                p.curves.push_back(std::move(c));
            }
        return p;
    };
    std::vector<Panel> panels;
    for (const std::int64_t each : r.counts)
        panels.push_back(panel(fmt::format("{} of each class: by moving averages", each), each,
                               [&](const Cell& c) { return r.moving(c); }));
    for (const std::int64_t each : r.counts)
        panels.push_back(panel(fmt::format("{} of each class: by the paired test batches’ own statistics", each), each,
                               [&](const Cell& c) { return r.paired(c, each); }));
    return multiplot("Class-paired normalisation batches: mean and 95 % interval over seeds",
                     std::max(1, static_cast<int>(r.counts.size())), panels);
}

}  // namespace

Study non_iid() {
    Study study;
    study.name = "non-iid";
    study.question = "what do batches of few classes do to batch norm and batch renorm?";
    study.columns = std::string(columns) + "(,error_in_batches_of_[0-9]+_of_each)*";
    study.durations = "70 s, --standard 4 min, --paper about 10 h on MNIST (2 cores)";
    study.settings = with_conv_settings(
        {{"--variants", "bn, brn", "bn,brn", "", "", words({std::begin(norms), std::end(norms)}), true},
         {"--batch", "the optimiser's", "64", "", "", integers(2, 4096)},
         {"--normalisation-batches", "which divide it", "4,8,16", "", "", integers(2, 4096), true},
         {"--of-each",
          "samples of each class in a paired normalisation batch: with 2, a batch of 4 has 2 classes; shuffled ones "
          "are trained beside them",
          "2,4", "", "", integers(1, 4096), true}},
        "1,2,3,4,5", "");
    study.plan = plan;
    study.run = run;
    study.report = report_by<Results>(table_of, csv_of, figure, measures_of);
    return study;
}

}  // namespace normlab::studies
