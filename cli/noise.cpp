#include <cstdio>
#include <memory>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "io/atomic_file.hpp"
#include "io/gnuplot.hpp"
#include "norms/names.hpp"
#include "studies/noise/report.hpp"
#include "verify/case/case.hpp"

namespace normlab::cli {
namespace {

struct NoiseOptions {
    std::vector<std::string> implementations, ms, dtypes, plots;
    std::string samples, seed, threads, json, csv;
};

noise::Settings settings_of(const NoiseOptions& o) {
    noise::Settings s;
    s.implementations = o.implementations;
    if (!o.ms.empty()) s.ms.clear();
    for (const std::string& m : o.ms) s.ms.push_back(verify::parse_integer("--m", m));
    if (!o.samples.empty()) s.samples = verify::parse_integer("--samples", o.samples);
    if (!o.seed.empty()) s.seed = verify::parse_seed("--seed", o.seed);
    if (!o.dtypes.empty()) s.dtypes.clear();
    for (const std::string& word : o.dtypes) s.dtypes.push_back(parse_dtype(word));
    if (!o.threads.empty()) {
        const std::int64_t threads = verify::parse_integer("--threads", o.threads);
        if (threads < 1 || threads > 1024) throw Error(fmt::format("--threads {}; 1 to 1024 is accepted", threads));
        s.threads = static_cast<int>(threads);
    }
    return s;
}

int run_noise(const NoiseOptions& o) {
    const noise::Settings settings = settings_of(o);
    std::set<std::string> files;
    for (const std::string& file : {o.json, o.csv}) {
        if (file == "-") throw Error("-: a file's path is accepted");
        if (!file.empty()) io::check_writable(file);
        if (!file.empty() && !files.insert(file).second) throw Error(file + " is named twice; a file for each is accepted");
    }
    for (const std::string& file : o.plots) io::check_drawable(file);
    Progress progress("study noise");
    const noise::Result result = noise::run(settings, [&](std::size_t done, std::size_t total) { progress.show(done, total); });
    progress.clear();
    fmt::print("{}{}\n", noise::table_text(result), noise::summary_line(result));   // first: the result does not depend on a disk
    std::fflush(stdout);
    if (!o.json.empty()) io::write_atomically(o.json, noise::json_text(result));
    if (!o.csv.empty()) io::write_atomically(o.csv, noise::csv_text(result));
    for (const std::string& file : o.plots) io::draw(file, noise::figure_script(result), noise::figure_width, noise::figure_height);
    return result.held() ? 0 : 1;
}

}  // namespace

void add_noise(CLI::App& study, int& status) {
    auto* verb = study.add_subcommand("noise", "exact theory of small-batch noise against Monte-Carlo through the implementations");
    const auto o = std::make_shared<NoiseOptions>();
    const noise::Settings standard;
    const auto list = [&](const char* flag, std::vector<std::string>& to, const std::string& help) { verb->add_option(flag, to, help)->delimiter(','); };
    list("--impl", o->implementations, "implementations, comma separated (default: all that can run here)");
    list("--m", o->ms, fmt::format("batch sizes, comma separated (default: {})", fmt::join(standard.ms, ",")));
    verb->add_option("--samples", o->samples, fmt::format("values drawn for each cell: samples / m batches (default: {})", standard.samples));
    verb->add_option("--seed", o->seed, fmt::format("seed of the samples (default: {})", standard.seed));
    list("--dtype", o->dtypes, "f64, f32 (default: f64)");
    verb->add_option("--threads", o->threads, "threads (default: all cores); results do not depend on it");
    verb->add_option("--json", o->json, "write settings and every cell to this file");
    verb->add_option("--csv", o->csv, "write every cell to this file");
    list("--plot", o->plots, "draw the figure: .svg or .png, comma separated");
    refuse_empty_arguments(*verb);
    verb->callback([o, &status] { status = run_noise(*o); });
}

}  // namespace normlab::cli
