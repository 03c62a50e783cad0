#include <memory>
#include <optional>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/progress.hpp"
#include "io/atomic_file.hpp"
#include "io/gnuplot.hpp"
#include "norms/names.hpp"
#include "studies/noise/report.hpp"

namespace normlab::cli {
namespace {

struct NoiseOptions {
    noise::Settings settings;
    std::vector<std::string> dtypes, plots;
    std::string json, csv;
    std::optional<int> threads;
};

int run_noise(NoiseOptions o) {
    if (!o.dtypes.empty()) o.settings.dtypes.clear();
    for (const std::string& word : o.dtypes) o.settings.dtypes.push_back(parse_dtype(word));
    if (o.threads && *o.threads < 1) throw Error(fmt::format("--threads {}; 1 or more is accepted", *o.threads));
    o.settings.threads = o.threads.value_or(0);
    for (const std::string& file : {o.json, o.csv})
        if (!file.empty()) io::check_writable(file);
    for (const std::string& file : o.plots) io::check_drawable(file);
    Progress progress("study noise");
    const noise::Result result = noise::run(o.settings, [&](std::size_t done, std::size_t total) { progress.show(done, total); });
    progress.clear();
    if (!o.json.empty()) io::write_atomically(o.json, noise::json_text(result));
    if (!o.csv.empty()) io::write_atomically(o.csv, noise::csv_text(result));
    for (const std::string& file : o.plots) io::draw(file, noise::figure_script(result), noise::figure_width, noise::figure_height);
    fmt::print("{}{}\n", noise::table_text(result), noise::summary_line(result));
    return result.held() ? 0 : 1;
}

void add_noise(CLI::App& study, int& status) {
    auto* verb = study.add_subcommand("noise", "exact theory of small-batch noise against Monte-Carlo through the implementations");
    const auto o = std::make_shared<NoiseOptions>();
    verb->add_option("--impl", o->settings.implementations, "implementations, comma separated (default: all that can run here)")->delimiter(',');
    verb->add_option("--m", o->settings.ms, "batch sizes")->delimiter(',')->capture_default_str();
    verb->add_option("--samples", o->settings.samples, "values drawn for each cell: samples / m batches")->capture_default_str();
    verb->add_option("--seed", o->settings.seed, "seed of the samples")->capture_default_str();
    verb->add_option("--dtype", o->dtypes, "f64, f32 (default: f64)")->delimiter(',');
    verb->add_option("--threads", o->threads, "threads (default: all cores); results do not depend on it");
    verb->add_option("--json", o->json, "write settings and every cell to this file");
    verb->add_option("--csv", o->csv, "write every cell to this file");
    verb->add_option("--plot", o->plots, "draw the figure: .svg or .png, comma separated")->delimiter(',');
    refuse_empty_arguments(*verb);
    verb->callback([o, &status] { status = run_noise(*o); });
}

}  // namespace

void add_study(CLI::App& app, int& status) {
    auto* verb = app.add_subcommand("study", "experiments: noise");
    verb->require_subcommand(1);
    add_noise(*verb, status);
}

}  // namespace normlab::cli
