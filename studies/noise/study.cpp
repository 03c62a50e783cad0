// Exact theory of small-batch noise against Monte-Carlo through the implementations. See README.md beside this file.
#include <algorithm>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/registry.hpp"
#include "studies/noise/results.hpp"
#include "studies/runs/values.hpp"
#include "verify/case/case.hpp"

namespace normlab {
namespace noise {
namespace {

void check_implementation(const studies::Setting&, const std::string& name) {
    if (name == "all") return;
    if (const Support support = find_implementation(name).available(); !support)
        throw Error(fmt::format("{} cannot run here: {}", name, support.reason));
}

std::vector<std::string> chosen(const studies::Settings& settings) {
    std::vector<std::string> names;
    for (const std::string& name : settings.list("--impl"))
        if (name != "all") names.push_back(name);
        else
            for (const Implementation* i : implementations())
                if (i->available()) names.emplace_back(i->name());
    return names;
}

constexpr std::int64_t most_samples = std::int64_t{1} << 32;  // the least follows from m

std::vector<studies::Run> plan(const studies::Settings& settings) {
    const std::vector<std::int64_t> ms = settings.integers("--m");
    const std::int64_t samples = settings.integer("--samples");
    if (const std::int64_t least = 32 * std::ranges::max(ms); samples < least)
        throw Error(
            fmt::format("--samples {}; {} (32 times the largest m) to {} is accepted", samples, least, most_samples));
    std::vector<studies::Run> runs;
    for (const std::string& implementation : chosen(settings))
        for (const std::string& dtype : settings.list("--dtype"))
            for (const Experiment& experiment : experiments())
                for (const std::int64_t m : ms)
                    if (experiment.wants(m)) {
                        const json s{{"impl", implementation},
                                     {"dtype", dtype},
                                     {"experiment", experiment.name},
                                     {"m", m},
                                     {"samples", samples},
                                     {"seed", verify::parse_seed("--seed", settings.word("--seed"))}};
                        runs.push_back({studies::run_name(s, {"impl", "dtype", "experiment", "m"}), s,
                                        experiment.seconds * static_cast<double>(samples)});
                    }
    return runs;
}

json run(const json& s, const studies::Context&) {
    const Experiment& experiment =
        *std::ranges::find(experiments(), s.at("experiment").get<std::string>(), &Experiment::name);
    Measured measured;
    for (const Distribution distribution : experiment.distributions)
        experiment.run({find_implementation(s.at("impl").get<std::string>()), s.at("m"), distribution,
                        parse_dtype(s.at("dtype").get<std::string>()), s.at("samples"), s.at("seed")},
                       measured);
    return result_of(measured);
}

studies::Report report(const std::vector<studies::Record>& records) {
    const Results results(records);
    studies::Report out{.table = table_text(results) + summary_line(results) + "\n",
                        .csv = csv_text(results),
                        .figure = figure_of(results),
                        .measures = {},
                        .document = document_of(results),
                        .held = results.held()};
    std::map<std::string, int> failed;
    for (const Cell& c : results.cells) failed[fmt::format("cells failed: {}", title_of(c.row))] += !c.held;
    for (const auto& [measure, count] : failed) out.measures[measure] = studies::exactly(count);
    return out;
}

}  // namespace
}  // namespace noise

namespace studies {

Study noise() {
    const auto seed = [](const Setting& s, const std::string& word) { verify::parse_seed(s.flag, word); };
    return {.name = "noise",
            .question =
                "does what small batches do to statistics, outputs and gradients agree with exact theory, through "
                "every implementation?",
            .columns = noise::columns,
            .durations = "40 s (2 cores)",
            .settings = {{"--impl", "implementations, names of `normlab list`; all: those that can run here", "all",
                          "reference,cpu", "", noise::check_implementation, true, true},
                         {"--m", "batch sizes", noise::criterion_ms, "", "", integers(2, 65535), true},
                         {"--samples", "values drawn for each cell: samples / m batches",
                          fmt::format("{}", noise::criterion_samples), "", "",
                          integers(std::numeric_limits<std::int64_t>::min(), noise::most_samples)},
                         {"--seed", "of the samples", "1", "", "", seed, false, true},
                         {"--dtype", "f64, f32", "f64", "", "", words({"f64", "f32"}), true, true}},
            .uses_data = false,
            .plan = noise::plan,
            .run = noise::run,
            .report = noise::report,
            .claims = ""};
}

}  // namespace studies
}  // namespace normlab
