#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/colour.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "io/gnuplot.hpp"
#include "norms/tensor.hpp"
#include "studies/runs/files.hpp"
#include "studies/runs/jobs.hpp"
#include "studies/runs/ledger.hpp"
#include "studies/runs/records.hpp"
#include "system/interrupt.hpp"
#include "system/process.hpp"

namespace normlab::cli {
namespace {

using namespace studies;

struct StudyOptions {
    std::map<std::string, std::string> settings;  ///< flag -> comma list; empty: the size's own
    std::string data, out;
    int jobs = all_cores();
    Files files;
    bool standard = false, paper = false, fresh = false, dry_run = false, force = false;
};

std::string duration(double seconds) {
    return seconds < 120    ? fmt::format("{:.0f} s", seconds)
           : seconds < 7200 ? fmt::format("{:.0f} min", seconds / 60)
                            : fmt::format("{:.1f} h", seconds / 3600);
}

void print_plan(const std::vector<Run>& runs, const Jobs& jobs, const std::string& data) {
    double seconds = 0;
    for (const Run& run : runs) {
        const bool there = std::filesystem::exists(record_path(jobs.out, run));
        seconds += there ? 0 : run.seconds;
        fmt::print("{:>8}  {}\n", there ? "there" : duration(run.seconds), run.name);
    }
    fmt::print("{} runs, about {} with {} processes; data {}; records in {}\n", runs.size(),
               duration(seconds / jobs.processes), jobs.processes, data, (jobs.out / "records").string());
}

// The table, then the verdict on each claim; "no verdict" for settings of which the criteria do not speak.
void print_report(const Study& study, const Settings& settings, const Report& report, const Record& first,
                  std::size_t runs) {
    print(report.table);
    if (!settings.changed())
        for (const Claim& c : parse_claims(study.claims)) {
            const Judged j = judge(c, study.name, report.measures);
            print(fmt::format("{:<17} {}: {}\n{:18}criterion: {}; {}\n", name_of(j.verdict), c.id, c.statement, "",
                              c.criterion(), j.evidence));
        }
    fmt::print("study {}: {} runs, {} settings, data {}, commit {}{}\n", study.name, runs,
               settings.changed() ? "changed" : name_of(settings.size()), first.data, first.commit,
               settings.changed() ? "; no verdict: the criteria belong to the settings of the sizes" : "");
    std::fflush(stdout);
}

int run_study(const Study& study, const StudyOptions& o) {
    std::map<std::string, std::string> given;
    for (const auto& [flag, list] : o.settings)
        if (!list.empty()) given[flag] = list;
    const Settings settings(study.settings, o.paper ? Size::paper : o.standard ? Size::standard : Size::quick, given);
    const std::vector<Settings> apart = settings.apart();  // each with a report of its own
    std::vector<Run> runs;
    std::vector<std::size_t> counts;
    for (const Settings& one : apart) {
        const std::vector<Run> own = plan_of(study, one);
        runs.insert(runs.end(), own.begin(), own.end());
        counts.push_back(own.size());
    }
    const Jobs jobs{o.out.empty() ? std::filesystem::path("results") / study.name : std::filesystem::path(o.out),
                    o.data, o.jobs, o.fresh, o.force};
    o.files.check(apart.size());
    for (const Settings& one : apart) {
        const std::string base = (jobs.out / (study.name + one.label())).string();
        require_replaceable("--out", base + ".csv", csv_file(study.columns), o.force);
        for (const char* ending : {".svg", ".png"}) require_replaceable("--out", base + ending, figure_file(), o.force);
        for (const char* ending : {".csv", ".svg", ".png"}) io::expect_unchanged(base + ending);
    }
    if (o.dry_run) return print_plan(runs, jobs, describe_data(study, o.data)), 0;
    std::error_code error;
    std::filesystem::create_directories(jobs.out / "records", error);
    if (error)
        throw io::InputError(fmt::format("--out {}: {} cannot be made ({}); a folder that may be written is accepted",
                                         jobs.out.string(), (jobs.out / "records").string(), error.message()));
    io::check_writable(jobs.out / (study.name + ".csv"));

    const auto start = std::chrono::steady_clock::now();
    Progress bar("study " + study.name);
    std::vector<Record> records;
    system::catch_interrupts("");
    try {
        records = make_records(study, runs, jobs, [&](const studies::Progress& p) {
            bar.show(p.part, fmt::format("{}/{} runs", p.done, p.total), p.seconds_left);
        });
    } catch (const system::Interrupted&) {
        bar.clear();
        const auto there =
            std::ranges::count_if(runs, [&](const Run& run) { return exists(record_path(jobs.out, run)); });
        fmt::print("study {}: interrupted; {} of {} runs are in {}, and the same call{} makes the others\n", study.name,
                   there, runs.size(), (jobs.out / "records").string(), o.fresh ? " without --fresh" : "");
        return system::interrupted_status();
    }
    bar.clear();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    bool held = true;
    auto next = records.begin();
    for (std::size_t i = 0; i < apart.size(); ++i) {
        const std::vector<Record> own(next, next + static_cast<std::ptrdiff_t>(counts[i]));
        next += static_cast<std::ptrdiff_t>(counts[i]);
        const Report report = study.report(own);
        if (!apart[i].label().empty()) fmt::print("{}:\n", apart[i].label().substr(1));
        print_report(study, apart[i], report, own.at(0), own.size());
        const std::string base = (jobs.out / (study.name + apart[i].label())).string();
        io::write_atomically(base + ".csv", report.csv);
        for (const char* ending : {".svg", ".png"})
            if (io::has_gnuplot())
                io::draw(base + ending, report.figure.script, report.figure.width, report.figure.height);
        o.files.write(study.name, report, seconds);
        held = held && report.held;
    }
    if (!io::has_gnuplot())
        fmt::print(
            "no figure was drawn: gnuplot is not in PATH; the package gnuplot-nox of Debian has it, and the same "
            "call then draws from the records that are there\n");
    return held ? 0 : 1;
}

void add_one(CLI::App& verb, const Study& study, int& status) {
    auto* one = verb.add_subcommand(study.name, study.question);
    const auto o = std::make_shared<StudyOptions>();
    in_group(*one, "Settings", fmt::format("study {} --standard", study.name));
    one->add_flag("--standard", o->standard, "the middle size, within 30 minutes");
    one->add_flag("--paper", o->paper, "the paper's own set-up (default " + study.durations + ")");
    for (const Setting& s : study.settings) {
        std::string sizes = fmt::format("default {}", s.quick);
        if (!s.standard.empty()) sizes += fmt::format("; --standard {}", s.standard);
        if (!s.paper.empty()) sizes += fmt::format("; --paper {}", s.paper);
        one->add_option(s.flag, o->settings[s.flag],
                        fmt::format("{} ({}){}", s.help, sizes,
                                    s.together ? "" : "; of several values each has a report of its own"));
    }
    if (study.uses_data)
        reads(one->add_option(
            "--data", o->data,
            "a folder with MNIST's IDX files (plain or gzip) or an .npz file with x and y (default: embedded digits)"));
    in_group(*one, "Runs and results", fmt::format("study {} --out results/mine --jobs 2", study.name));
    fills(one->add_option("--out", o->out,
                          fmt::format("where records, figure and table go (default: results/{})", study.name)),
          "results/" + study.name);
    for (const char* flag : {"--jobs", "--threads"})
        add_value(*one, flag, o->jobs, from_to(1, most_threads),
                  "processes (default: one a core); results do not depend on it");
    writes(*one, one->add_option("--json", o->files.json, "write the report to this file"), json_file("normlab study"));
    writes(*one, one->add_option("--csv", o->files.csv, "write the table to this file too"), csv_file(study.columns));
    writes(*one,
           one->add_option("--plot", o->files.figures,
                           "draw the figure to these files too: .svg or .png, comma separated (needs gnuplot)")
               ->delimiter(','),
           figure_file());
    one->add_flag("--fresh", o->fresh,
                  "discard the records of these runs that are in --out; otherwise what is there is not run again");
    one->add_flag("--dry-run", o->dry_run, "list the runs and how long they take, about");
    when_called(*one, [&study, o, one, &status] {
        accept_one(*one, {"--standard", "--paper"});
        o->force = one->count("--force") > 0;
        status = run_study(study, *o);
    });
}

}  // namespace

// As ./dev says; as installed; or in the source tree.
static std::filesystem::path folder_of_records() {
    if (const char* source = std::getenv("NORMLAB_SOURCE")) return std::filesystem::path(source) / "studies";
    const std::filesystem::path installed =
        std::filesystem::path(system::this_program()).parent_path().parent_path() / "share" / "normlab" / "studies";
    return std::filesystem::is_directory(installed) ? installed : std::filesystem::path("studies");
}

void add_study(CLI::App& app, int& status) {
    auto* verb = app.add_subcommand("study", study_help);
    const auto records = std::make_shared<std::string>();
    const auto shows = std::make_shared<bool>(false);
    auto* shown = verb->add_flag("--ledger", *shows,
                                 "every claim with its source, criterion, what was measured, and the verdict");
    reads(verb->add_option(
                  "--records", *records,
                  "with --ledger: the folder that holds STUDY/records (default: those that came with the program)")
              ->needs(shown));
    verb->require_subcommand(0, 1);
    for (const Study& study : all()) add_one(*verb, study, status);
    for (CLI::App* one : verb->get_subcommands([](const CLI::App*) { return true; })) one->excludes(shown);
    verb->callback([verb, shows, records, &status] {
        if (!verb->get_subcommands().empty()) return;
        if (*shows) {
            const std::filesystem::path folder =
                records->empty() ? folder_of_records() : std::filesystem::path(*records);
            if (std::ranges::none_of(
                    all(), [&](const Study& s) { return std::filesystem::is_directory(folder / s.name / "records"); }))
                throw Error(
                    fmt::format("--records {}: holds no STUDY/records of any study; a folder such as results, "
                                "in which studies keep their records, is accepted",
                                folder.string()));
            print(ledger_text(ledger(folder)));
            return;
        }
        for (const Study& s : all()) fmt::print("{:<14} {}: {}\n", s.name, s.question, s.durations);
    });
}

void add_study_worker(CLI::App& app, int&) {
    auto* verb = app.add_subcommand("study-worker", "")->group("");  // for the program itself
    const auto descriptor = std::make_shared<int>();
    verb->add_option("descriptor", *descriptor)->required();
    verb->callback([descriptor] { serve_runs(*descriptor); });
}

}  // namespace normlab::cli
