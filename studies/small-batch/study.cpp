// Test error against the normalisation batch, with the optimiser's batch fixed and with both equal.
#include <set>

#include <fmt/format.h>

#include "studies/runs/conv_trial.hpp"
#include "studies/small-batch/results.hpp"

namespace normlab::studies {
namespace {

using namespace small_batches;

constexpr const char* variants[] = {"none", "bn", "brn", "ln", "in", "gn", "wn"};

bool by_batch(const std::string& norm) { return norm == "bn" || norm == "brn"; }

std::vector<Cell> cells_of(const Settings& s) {
    const std::int64_t fixed = s.integer("--batch"), curve = s.integer("--curve-groups");
    std::vector<Cell> cells;
    for (const std::string& norm : s.list("--variants")) {
        if (by_batch(norm))
            for (const std::int64_t n : s.integers("--normalisation-batches")) cells.push_back({norm, fixed, n, 0});
        else if (norm == "gn")
            for (const std::int64_t g : s.integers("--groups")) cells.push_back({norm, fixed, 0, g});
        else cells.push_back({norm, fixed, 0, 0});
        for (const std::int64_t b : s.integers("--batches"))
            cells.push_back({norm, b, by_batch(norm) ? b : 0, norm == "gn" ? curve : 0});
    }
    std::set<Cell> seen;  // what both axes share is trained once
    std::erase_if(cells, [&](const Cell& c) { return !seen.insert(c).second; });
    return cells;
}

std::vector<Run> plan(const Settings& s) {
    json shared = conv_values(s);
    shared.update({{"fixed_batch", s.integer("--batch")},
                   {"curve_groups", s.integer("--curve-groups")},
                   {"freeze", s.number("--freeze")},
                   {"precise", s.integer("--precise")}});
    for (const std::int64_t n : s.integers("--normalisation-batches"))
        if (s.integer("--batch") % n)
            throw Error(fmt::format("--normalisation-batches {}; divisors of --batch {} are accepted", n,
                                    s.integer("--batch")));
    for (const char* flag : {"--groups", "--curve-groups"})
        for (const std::int64_t g : s.integers(flag))
            for (const std::int64_t c : s.integers("--channels"))
                if (c % g)
                    throw Error(fmt::format("{} {}; divisors of every number of --channels are accepted, {} is one",
                                            flag, g, c));
    std::vector<Run> runs;
    for (const std::int64_t seed : s.integers("--seeds"))
        for (const Cell& c : cells_of(s)) {
            Run run{fmt::format("{}{}-batch{}{}-seed{}", c.norm, c.groups ? fmt::format("{}", c.groups) : "", c.batch,
                                c.normalisation ? fmt::format("-in{}", c.normalisation) : "", seed),
                    {{"norm", c.norm},
                     {"batch", c.batch},
                     {"normalisation_batch", c.normalisation},
                     {"groups", c.groups},
                     {"seed", seed}},
                    0};
            run.settings.update(shared);
            run.seconds = conv_seconds(run.settings) * (c.norm == "bn" ? 2 - s.number("--freeze") : 1);
            runs.push_back(std::move(run));
        }
    return runs;
}

std::vector<std::vector<double>> weights_of(nn::Sequential& net) {
    std::vector<std::vector<double>> values;
    for (const nn::Parameter* p : net.parameters()) values.push_back(p->value.values());
    return values;
}

void set_weights(nn::Sequential& net, const std::vector<std::vector<double>>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) net.parameters()[i]->value.set(values[i]);
}

json run(const json& settings, const Context& context) {
    ConvTrial trial(settings, context.data);
    data::Epochs order(trial.train_set.size(), trial.batch, trial.seed);
    const bool bn = settings.at("norm") == "bn";
    const auto freeze =
        static_cast<std::int64_t>(settings.at("freeze").get<double>() * static_cast<double>(trial.steps));
    const double share =
        // of the work: batch norm ends twice
        bn ? static_cast<double>(trial.steps) / static_cast<double>(2 * trial.steps - freeze) : 1;
    const auto first_part = [&](double part) { context.progress(part * share); };
    trial.train(order, 0, freeze, first_part);
    const auto weights = weights_of(trial.net);
    trial.train(order, freeze, trial.steps, first_part);

    const nn::Score score = trial.score(trial.test_set);
    json result{{"error", score.error}, {"loss", score.loss}};
    result["training_loss"] = trial.score(data::first(trial.train_set, trial.test_set.size())).loss;
    if (!bn) return result;
    const auto samples = settings.at("precise").get<std::int64_t>();
    trial.measure_population(trial.train_set, samples);
    result["moving"] = score.error;
    result["moving_biased"] = trial.score(trial.test_set, nn::StatisticsFrom::moving_biased).error;
    result["precise"] = trial.score(trial.test_set, nn::StatisticsFrom::population).error;
    result["batch"] = trial.score(trial.test_set, nn::StatisticsFrom::batch).error;

    // Frozen: the last part of the training once more, with the precise statistics of its beginning as constants.
    set_weights(trial.net, weights);
    trial.measure_population(trial.train_set, samples);
    for (nn::Norm* norm : trial.net.all<nn::Norm>())
        norm->evaluate_with(nn::StatisticsFrom::population), norm->freeze();
    trial.forget_momentum();
    trial.train(order, freeze, trial.steps, [&](double part) {
        context.progress(share + (part - static_cast<double>(freeze) / static_cast<double>(trial.steps)) * share);
    });
    result["frozen"] = trial.score(trial.test_set, nn::StatisticsFrom::population).error;
    return result;
}

std::map<std::string, Interval> measures_of(const Results& r) {
    const std::int64_t full = r.fixed_batch();
    std::map<std::string, Interval> m;
    put(m, "bn_in_4s - brn_in_4s", r.in("bn", 4) - r.in("brn", 4));
    put(m, "bn_precise_in_4s - brn_in_4s", r.in("bn", 4, "precise") - r.in("brn", 4));
    put(m, "brn_in_4s - bn_in_64s", r.in("brn", 4) - r.in("bn", 64));
    put(m, "bn_batch_2 - bn_batch_4", r.equal("bn", 2) - r.equal("bn", 4));
    put(m, "bn_batch_4 - bn_batch_8", r.equal("bn", 4) - r.equal("bn", 8));
    const BySeed bn_rise = r.equal("bn", 2) - r.equal("bn", 32), gn_rise = r.equal("gn", 2) - r.equal("gn", 32);
    put(m, "bn_rise", bn_rise);
    put(m, "gn_rise - bn_rise / 4", gn_rise - bn_rise * 0.25);
    put(m, "gn_batch_32 - bn_batch_32", r.equal("gn", 32) - r.equal("bn", 32));
    put(m, "bn_batch_2 - gn_batch_2", r.equal("bn", 2) - r.equal("gn", 2));
    put(m, "gn_1_group - gn_best", r.grouped(1) - r.best_groups());
    put(m, "in - gn_best", r.equal("in", full) - r.best_groups());
    put(m, "moving_in_2s - precise_in_2s", r.in("bn", 2, "moving") - r.in("bn", 2, "precise"));
    put(m, "precise_in_2s - batch_in_2s", r.in("bn", 2, "precise") - r.in("bn", 2, "batch"));
    put(m, "bn_training_loss - wn_training_loss",
        r.equal("bn", full, "training_loss") - r.equal("wn", full, "training_loss"));
    put(m, "wn_error - bn_error", r.equal("wn", full) - r.equal("bn", full));
    return m;
}

template <class F>
std::string row(const std::string& title, const std::vector<std::int64_t>& columns, F values) {
    std::string text = fmt::format("{:<32}", title);
    for (const std::int64_t c : columns) text += fmt::format(" {:>15}", percent(values(c)));
    return text + "\n";
}

std::string header(const std::string& title, const std::vector<std::int64_t>& columns) {
    std::string text = fmt::format("{:<32}", title);
    for (const std::int64_t c : columns) text += fmt::format(" {:>15}", c);
    return text + "\n";
}

std::string table_of(const Results& r) {
    const std::vector<std::int64_t> slices = r.normalisation_batches(), batches = r.batches(), groups = r.groups();
    std::string text = fmt::format("test error in %, mean and 95 % interval over seeds\n\n{}",
                                   header(fmt::format("batch {}, normalised in", r.fixed_batch()), slices));
    for (const char* norm : {"bn", "brn"}) text += row(norm, slices, [&](std::int64_t n) { return r.in(norm, n); });
    for (const Way& way : ways)
        text += row(fmt::format("bn: {}", way.title), slices, [&](std::int64_t n) { return r.in("bn", n, way.name); });
    text += "\n" + header("both batches", batches);
    for (const char* norm : variants)
        text += row(std::string(norm) == "gn" ? fmt::format("gn, {} groups", r.curve_groups()) : norm, batches,
                    [&](std::int64_t b) { return r.equal(norm, b); });
    text += "\n" + header("groups", groups) + row("gn", groups, [&](std::int64_t g) { return r.grouped(g); });
    text += fmt::format("{:<32} {:>15}\n\ntraining loss, batch {}:", "gn, best above 1", percent(r.best_groups()),
                        r.fixed_batch());
    for (const char* norm : variants)
        if (const BySeed loss = r.equal(norm, r.fixed_batch(), "training_loss"); !loss.empty())
            text += fmt::format("  {} {:.4f}", norm, loss.mean());
    return text + "\n";
}

std::string columns() {
    std::string text = "norm,batch,normalisation_batch,groups,seed,error,loss,training_loss";
    for (const Way& way : ways) text += fmt::format(",{}", way.name);
    return text;
}

std::string csv_of(const Results& r) {
    std::string text = columns();
    for (const auto& [c, seeds] : r.all())
        for (const auto& [seed, result] : seeds) {
            text += fmt::format("\n{},{},{},{},{}", c.norm, c.batch, c.normalisation, c.groups, seed);
            for (const char* what : {"error", "loss", "training_loss"})
                text += fmt::format(",{}", number(result.at(what)));
            for (const Way& way : ways)
                text += result.contains(way.name) ? fmt::format(",{}", number(result.at(way.name))) : ",";
        }
    return text + "\n";
}

}  // namespace

Study small_batch() {
    Study study;
    study.name = "small-batch";
    study.question =
        "what does the normalisation batch do to the test error, with the optimiser's batch fixed and with both equal?";
    study.columns = columns();
    study.durations = "2 min, --standard 19 min, --paper about 40 h on MNIST (2 cores)";
    study.settings = with_conv_settings(
        {{"--variants", "none, bn, brn, ln, in, gn, wn", "none,bn,brn,ln,in,gn,wn", "", "",
          words({std::begin(variants), std::end(variants)}), true},
         {"--batch", "the fixed optimiser's batch", "64", "", "", integers(2, 4096)},
         {"--normalisation-batches", "of bn and brn at the fixed optimiser's batch, which they divide", "2,4,16,64",
          "2,4,8,16,32,64", "", integers(2, 4096), true},
         {"--batches", "optimiser's batches that are normalised whole", "2,4,8,32", "2,4,8,16,32,64,128,256", "",
          integers(2, 4096), true},
         {"--groups", "of gn at the fixed optimiser's batch", "1,2,4,8", "", "1,2,4,8,16", integers(1, 4096), true},
         {"--curve-groups", "of gn where the batch is varied", "4", "", "8", integers(1, 4096)},
         {"--freeze", "share of the steps after which frozen statistics are frozen", "0.8", "", "", numbers(0, 1)},
         {"--precise", "training samples from which precise statistics are measured, about", "2048", "", "",
          integers(1, 1 << 30)}},
        "1,2,3", "1,2,3,4,5");
    study.plan = plan;
    study.run = run;
    study.report = report_by<Results>(table_of, csv_of, figure, measures_of);
    return study;
}

}  // namespace normlab::studies
