#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "bench/naive.hpp"
#include "bench/report.hpp"
#include "cli/annotations.hpp"
#include "cli/colour.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/options.hpp"
#include "cli/plugins.hpp"
#include "cli/progress.hpp"
#include "io/atomic_file.hpp"
#include "io/gnuplot.hpp"
#include "norms/memory.hpp"
#include "norms/names.hpp"
#include "system/interrupt.hpp"
#include "system/process.hpp"
#include "verify/remote/worker.hpp"

namespace normlab::cli {
namespace {

struct Options {
    bench::Selection selection;
    std::vector<std::string> variants, plugins;
    std::string shapes = "peers", json, plot;
    std::optional<std::size_t> limit;  // of shapes
    std::optional<double> timeout;
    bench::Timing timing;
    std::vector<std::string> killed;  // of the process that times: what ended an earlier one, and how, a line each
    int descriptor = -1;              // and where it tells what it is at
};

// What ended an earlier process: rows, implementations, the loading of a plug-in; and how.
std::map<std::string, std::string> killed_of(const Options& o) {
    std::map<std::string, std::string> killed;
    for (const std::string& text : o.killed) killed[text.substr(0, text.find('\n'))] = text.substr(text.find('\n') + 1);
    return killed;
}

bench::Selection selection_of(const Options& o) {
    bench::Selection s = o.selection;
    s.workloads = bench::select_variants(bench::find_workloads(o.shapes), o.variants);
    if (o.limit) s.workloads.resize(std::min(s.workloads.size(), *o.limit));
    require_known(s.implementations);
    s.killed = killed_of(o);
    return s;
}

// The plug-ins asked for; and the peers that were built, unless implementations are named.
std::vector<PluginName> plugins_of(const Options& o) {
    std::vector<std::string> names = o.selection.implementations;
    if (names.empty())
        for (const Companion& c : peers()) names.push_back(c.name);
    return wanted_plugins(o.plugins, names);
}

constexpr std::string_view loading = "loading ";  // a plug-in: what is done before there are rows

// Named in the call; the other peers come along where they can.
bool asked_for(const Options& o, const std::string& plugin) {
    return !o.selection.implementations.empty() ||
           std::ranges::any_of(o.plugins, [&](const std::string& text) { return parse_plugin(text).text() == plugin; });
}

// Loads them into this process. A peer that nobody asked for and that cannot be loaded, or that ended an earlier
// process, is left out.
void load_plugins(const Options& o, const bench::Watch& watch, std::vector<std::string>& left_out) {
    const std::map<std::string, std::string> killed = killed_of(o);
    for (const PluginName& plugin : plugins_of(o)) {
        const std::string text = plugin.text(), id = std::string(loading) + text;
        if (const auto found = killed.find(id); found != killed.end()) {
            left_out.push_back(fmt::format("{}: loading it {}", text, found->second));
            continue;
        }
        watch(id);
        try {
            load_plugin(plugin);
        } catch (const std::exception& e) {
            watch("");  // it is this process that ends
            if (asked_for(o, text)) throw;
            left_out.push_back(e.what());
        }
        watch("");
    }
}

int run(const Options& o) {
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    system::catch_interrupts(o.descriptor < 0 ? interrupt_note : "");
    bench::register_naive();
    const bench::Watch watch = [&](const std::string& id) {
        if (o.descriptor >= 0) system::tell(o.descriptor, id);
    };
    std::vector<std::string> left_out;
    load_plugins(o, watch, left_out);
    const bench::Selection selection = selection_of(o);
    if (!o.plot.empty()) io::check_drawable(o.plot);
    bench::TimingPlan plan = bench::make_plan(selection, watch);
    std::ranges::move(left_out, std::back_inserter(plan.left_out));
    if (plan.rows.empty())
        throw Error("nothing to time: " +
                    (plan.left_out.empty() ? "no implementation can run here" : plan.left_out.front()));
    {
        Progress progress("bench: checking");
        bench::check(
            plan, [&](std::size_t done, std::size_t total) { progress.show(done, total); }, watch);
    }
    std::string document;
    {
        Progress progress("bench: timing");
        document = bench::time(
            plan, o.timing, [&](std::size_t done, std::size_t total) { progress.show(done, total); }, watch,
            [&](const bench::Row& row) {
                progress.clear();
                print(bench::timed_line(plan, row));
                std::fflush(stdout);
            });
    }
    // first: minutes of work do not depend on a disk
    print(fmt::format("\n{}{}\n", bench::table_text(plan), bench::summary_line(plan, elapsed())));
    std::fflush(stdout);
    std::vector<Annotation> wrong;
    for (const bench::Row& r : plan.rows)
        if (!r.checked.wrong.empty()) wrong.push_back({"normlab bench: WRONG " + r.title(), r.checked.wrong});
    annotate(wrong);
    if (!o.json.empty()) io::write_atomically(o.json, document);
    if (!o.plot.empty() && std::ranges::any_of(plan.rows, &bench::Row::timed)) {
        const bench::Figure f = bench::figure(plan);
        io::draw(o.plot, f.script, f.width, f.height);
    }
    if (system::interrupted()) return system::interrupted_status();
    return bench::all_right(plan) ? 0 : 1;
}

// In a process of its own, which has loaded the plug-ins. Where one of them ends it, the run is done again without that
// row, which is WRONG; an implementation that did so three times is left alone. What the process says that it was at is
// the plug-in's word, too, so that the runs are counted here.
int run_watched(const Options& o, const std::vector<std::string>& arguments, double seconds) {
    constexpr int patience = 3;
    constexpr double for_ever = 1e9;
    const auto limit = [&](const std::string& id) {
        return id.empty() ? for_ever : id.starts_with(loading) ? std::max(seconds, verify::seconds_to_load) : seconds;
    };
    std::map<std::string, std::string> killed;
    std::map<std::string, int> deaths;
    std::size_t left = patience * (1 + plugins_of(o).size());
    system::catch_interrupts(interrupt_note);
    for (;;) {
        std::vector<std::string> all = arguments;
        for (const auto& [id, how] : killed) all.insert(all.end(), {"--killed", id + "\n" + how});
        all.push_back("--descriptor");
        system::Process process(system::this_program(), all, system::Process::Output::ours);
        std::string id;  // of what a plug-in is at
        system::Process::Reply reply;
        const auto listen = [&] {
            try {
                return process.listen(limit(id));
            } catch (const system::Interrupted&) {  // it reports what is done
                process.pass_on(system::interrupted());
                return process.listen(limit(id));
            }
        };
        while ((reply = listen()).message) id = *reply.message;
        if (id.empty() && reply.exit_status) return *reply.exit_status;
        if (id.empty() || (id.starts_with(loading) && asked_for(o, id.substr(loading.size()))))
            throw Failure(fmt::format("bench: {}: {}", id.empty() ? "between two rows" : id, reply.death));
        if (left-- == 0) throw Failure(fmt::format("bench: its plug-ins ended {} runs", killed.size() + 1));
        killed[id] = reply.death;
        const std::string implementation = id.substr(id.rfind('/') + 1);
        if (++deaths[implementation] == patience)
            killed[implementation] = fmt::format("not run: {} of its rows ended the process", patience);
        fmt::print(stderr, "normlab: {}: {}; starting anew without it\n", id, reply.death);
    }
}

}  // namespace

void add_bench(CLI::App& app, int& status) {
    auto* verb = app.add_subcommand("bench", bench_help);
    const auto o = std::make_shared<Options>();
    in_group(*verb, "What is timed", "bench --shapes resnet50 --limit 3 --dtype f32,bf16");
    reads(verb->add_option(
        "--shapes", o->shapes,
        fmt::format("{}, or a file (default: peers; bench/README.md)", fmt::join(bench::shape_sets(), ", "))));
    add_value(*verb, "--limit", o->limit, from_to(1, 1000000), "the first so many shapes only");
    add_list(*verb, "--variant", o->variants,
             "variants, comma separated (default: the set's own); one that the set does not have runs on its shapes");
    add_list(*verb, "--dtype", o->selection.dtypes, parse_dtype,
             dtype_words() + " (default: bf16 for llm and diffusion, otherwise f32)");
    add_list(*verb, "--layout", o->selection.layouts, parse_layout,
             "nchw, nhwc (default: nhwc for diffusion, otherwise nchw, and nhwc where the set has it)");
    add_list(*verb, "--mode", o->selection.modes, parse_mode,
             "train, eval (default: train); eval is timed forward only");
    add_list(*verb, "--direction", o->selection.directions, bench::parse_direction,
             "forward, backward (default: both)");
    in_group(*verb, "Implementations", "bench --impl cpu,onednn --threads 1,8");
    add_list(
        *verb, "--impl", o->selection.implementations,
        "implementations (default: all that can run here but the reference, the peers that were built among them)");
    add_plugin_files(*verb, o->plugins);
    add_value(*verb, "--timeout", o->timeout, parse_seconds,
              "seconds that a check or a repetition of a plug-in may take (default: 300); loading one may take 60, or "
              "this where it is more");
    const auto number = [](const std::string& word) { return from_to(1, most_threads)("--threads", word); };
    add_list(*verb, "--threads", o->selection.threads, number, "numbers of threads, comma separated (default: 1)");
    in_group(*verb, "How, and reports", "bench --seconds 600 --cache cold --json bench.json --plot bench.svg");
    add_list(*verb, "--cache", o->selection.caches, bench::parse_cache,
             "cold, warm (default: warm where all tensors of a call fit into the last cache, otherwise cold)");
    add_value(*verb, "--seconds", o->timing.seconds, from_to(1, 86400),
              "for timing, roughly (default: 180; checks come on top); repetitions fall from 9 to 3 where it does not "
              "suffice");
    writes(*verb, verb->add_option("--json", o->json, "write Google Benchmark's JSON to this file"),
           json_file("normlab bench"));
    writes(*verb,
           verb->add_option("--plot", o->plot,
                            "draw the percentages of the limit into this file, .svg or .png (needs gnuplot)"),
           figure_file());
    verb->add_option("--killed", o->killed, "")->allow_extra_args(false)->group("");  // for the program itself
    verb->add_option("--descriptor", o->descriptor, "")->group("");
    refuse_empty_arguments(*verb);
    verb->callback([o, verb, &status] {
        check_files(*verb);
        if (o->descriptor >= 0 || plugins_of(*o).empty()) free_standard_output(*verb);
        if (o->descriptor < 0) {
            naming_the_flag(*verb, [&] {
                status =
                    plugins_of(*o).empty() ? run(*o) : run_watched(*o, arguments_of(*verb), o->timeout.value_or(300));
            });
            return;
        }
        if (!std::filesystem::is_socket(fmt::format("/proc/self/fd/{}", o->descriptor)))
            throw Error("--descriptor is for the program itself");
        system::end_with(o->descriptor);
        naming_the_flag(*verb, [&] { status = run(*o); });
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
            std::fprintf(stderr, "normlab: standard output cannot be written: %s\n", std::strerror(errno));
            status = 1;
        }
        std::_Exit(status);  // no destructors: a plug-in's may hang
    });
}

}  // namespace normlab::cli
