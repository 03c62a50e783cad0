#include <chrono>
#include <memory>

#include <fmt/format.h>

#include "bench/naive.hpp"
#include "bench/report.hpp"
#include "cli/commands.hpp"
#include "cli/progress.hpp"
#include "io/atomic_file.hpp"
#include "io/gnuplot.hpp"
#include "norms/names.hpp"
#include "verify/case.hpp"

namespace normlab::cli {
namespace {

struct Options {
    std::vector<std::string> variants, implementations, dtypes, layouts, modes, directions, threads, caches;
    std::string shapes = "peers", limit, seconds, json, plot;
};

template <class T, class Parse>
std::vector<T> parsed(const std::vector<std::string>& words, Parse parse, std::vector<T> absent) {
    if (words.empty()) return absent;
    std::vector<T> values;
    for (const std::string& word : words)
        if (const T value = parse(word); std::ranges::find(values, value) == values.end()) values.push_back(value);
    return values;
}

std::int64_t in_range(std::string_view flag, const std::string& word, std::int64_t most) {
    const std::int64_t value = verify::parse_integer(flag, word);
    if (value < 1 || value > most) throw Error(fmt::format("{} {}; 1 to {} is accepted", flag, value, most));
    return value;
}

bench::Selection selection_of(const Options& o) {
    bench::Selection s;
    s.workloads = bench::select_variants(bench::find_workloads(o.shapes), o.variants);
    if (!o.limit.empty()) s.workloads.resize(std::min(s.workloads.size(), static_cast<std::size_t>(in_range("--limit", o.limit, 1000000))));
    s.implementations = parsed<std::string>(o.implementations, [](const std::string& w) { return find_implementation(w).name(); }, {});
    s.dtypes = parsed<DType>(o.dtypes, parse_dtype, s.dtypes);
    s.layouts = parsed<Layout>(o.layouts, parse_layout, {});
    s.modes = parsed<Mode>(o.modes, parse_mode, s.modes);
    s.directions = parsed<bench::Direction>(o.directions, bench::parse_direction, s.directions);
    s.threads = parsed<int>(o.threads, [](const std::string& w) { return static_cast<int>(in_range("--threads", w, 1024)); }, s.threads);
    s.caches = parsed<bench::Cache>(o.caches, bench::parse_cache, {});
    return s;
}

int run(const Options& o) {
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
    bench::register_naive();
    bench::Timing timing;
    if (!o.seconds.empty()) timing.seconds = static_cast<double>(in_range("--seconds", o.seconds, 86400));
    const bench::Selection selection = selection_of(o);
    if (o.json == "-") throw Error("--json -: a file's path is accepted");
    if (!o.json.empty()) io::check_writable(o.json);
    if (!o.plot.empty()) io::check_drawable(o.plot);
    bench::TimingPlan plan = bench::make_plan(selection);
    if (plan.rows.empty()) throw Error("nothing to time: " + (plan.left_out.empty() ? "no implementation can run here" : plan.left_out.front()));
    {
        Progress progress("bench: checking");
        bench::check(plan, [&](std::size_t done, std::size_t total) { progress.show(done, total); });
    }
    std::string document;
    {
        Progress progress("bench: timing");
        document = bench::time(plan, timing, [&](std::size_t done, std::size_t total) { progress.show(done, total); });
    }
    fmt::print("{}{}\n", bench::table_text(plan), bench::summary_line(plan, elapsed()));   // first: minutes of work do not depend on a disk
    std::fflush(stdout);
    if (!o.json.empty()) io::write_atomically(o.json, document);
    if (!o.plot.empty() && std::ranges::any_of(plan.rows, &bench::Row::timed)) {
        const bench::Figure f = bench::figure(plan);
        io::draw(o.plot, f.script, f.width, f.height);
    }
    return bench::all_right(plan) ? 0 : 1;
}

}  // namespace

void add_bench(CLI::App& app, int& status) {
    auto* verb = app.add_subcommand("bench", "time implementations: check them first, then compare them with the hardware's limit and each other");
    const auto o = std::make_shared<Options>();
    const auto list = [&](const char* flag, std::vector<std::string>& to, const char* help) { verb->add_option(flag, to, help)->delimiter(','); };
    verb->add_option("--shapes", o->shapes, "peers (the default), resnet50, transformer, unet, weights, or a file (bench/README.md)");
    verb->add_option("--limit", o->limit, "the first so many shapes only");
    list("--variant", o->variants, "variants, comma separated (default: the set's own); one that the set does not have runs on its shapes");
    list("--impl", o->implementations, "implementations (default: all that can run here but the reference)");
    list("--dtype", o->dtypes, "f64, f32, bf16, f16 (default: f32)");
    list("--layout", o->layouts, "nchw, nhwc (default: nchw, and nhwc where the set has it)");
    list("--mode", o->modes, "train, eval (default: train); eval is timed forward only");
    list("--direction", o->directions, "forward, backward (default: both)");
    list("--threads", o->threads, "numbers of threads, comma separated (default: 1)");
    list("--cache", o->caches, "cold, warm (default: warm where all tensors of a call fit into the last cache, otherwise cold)");
    verb->add_option("--seconds", o->seconds, "for timing, roughly (default: 180; checks come on top); repetitions fall from 9 to 3 where it does not suffice");
    verb->add_option("--json", o->json, "write Google Benchmark's JSON to this file");
    verb->add_option("--plot", o->plot, "draw the percentages of the limit into this file, .svg or .png (needs gnuplot)");
    refuse_empty_arguments(*verb);
    verb->callback([o, &status] { status = run(*o); });
}

}  // namespace normlab::cli
