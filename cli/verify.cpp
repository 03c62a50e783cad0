#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "cli/colour.hpp"
#include "cli/commands.hpp"
#include "cli/faults.hpp"
#include "cli/files.hpp"
#include "cli/plugins.hpp"
#include "cli/progress.hpp"
#include "cli/verify_cases.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "norms/names.hpp"
#include "system/interrupt.hpp"
#include "verify/exchange/vectors.hpp"
#include "verify/report/accept.hpp"
#include "verify/report/baseline.hpp"
#include "verify/report/diagnosis.hpp"
#include "verify/report/html.hpp"
#include "verify/report/hunt_report.hpp"
#include "verify/report/junit.hpp"
#include "verify/report/report.hpp"
#include "verify/run/again.hpp"
#include "verify/run/explain.hpp"
#include "verify/run/replay.hpp"
#include "verify/run/run_cases.hpp"
#include "verify/run/shrink.hpp"

namespace normlab::cli {
namespace {

DType parse_bits(std::string_view, const std::string& word) {
    const DType dtype = parse_dtype(word);
    if (is_narrow(dtype)) return dtype;
    throw Error(fmt::format("--bits {}: that dtype has more than 16 bits; bf16 and f16 are accepted", word));
}

bool stops(const VerifyOptions& o, const verify::Accepted* accepted, verify::Outcome outcome) {
    if (!o.fail_fast) return false;
    if (accepted) accepted->apply(outcome);
    return is_finding(outcome, o.allow_unresolved);
}

// The cases of all sources but --vectors.
std::vector<verify::Outcome> run_planned(const VerifyOptions& o, const std::optional<verify::Baseline>& baseline,
                                         const verify::Accepted* accepted, std::vector<std::string>& left_out,
                                         std::size_t& not_run) {
    const std::vector<verify::Case> cases = selected_cases(o, left_out);
    if (baseline) baseline->require_overlap(cases);
    Progress progress("verify");
    auto outcomes = verify::run_cases(
        cases, o.threads, [&](std::size_t done, std::size_t total) { progress.show(done, total); },
        [&](const verify::Outcome& out) { return stops(o, accepted, out); });
    progress.clear();
    not_run = cases.size() - outcomes.size();
    if (o.script) std::ranges::for_each(outcomes, [&](verify::Outcome& out) { o.script->complete(out); });
    if (!not_run && std::ranges::all_of(outcomes, [](const verify::Outcome& out) { return !out.skipped.empty(); }))
        throw Error("nothing could run: " + outcomes.front().skipped);
    return outcomes;
}

std::vector<verify::Outcome> run_vectors(const VerifyOptions& o, const verify::Accepted* accepted,
                                         std::size_t& not_run) {
    Progress progress("verify");
    const auto stop = [&](const std::vector<verify::Outcome>& all) {
        return std::ranges::any_of(all, [&](const verify::Outcome& out) { return stops(o, accepted, out); });
    };
    const auto show = [&](std::size_t done, std::size_t total) {
        progress.show(done, total);
        not_run = total - done;
    };
    auto outcomes = verify::run_vectors(o.vectors, o.only, o.selection, show, stop);
    progress.clear();
    return outcomes;
}

// Those that stand for their causes, as long as that takes a small part of the run.
void run_examples_again(std::vector<verify::Outcome>& outcomes) {
    constexpr std::size_t most = 24, most_behind = 3;
    constexpr double seconds = 10;
    if (outcomes.size() < 2) return;  // a case that ran alone
    const auto start = std::chrono::steady_clock::now();
    std::size_t behind = 0, all = 0;
    for (const std::size_t k : verify::cases_to_run_again(outcomes)) {
        if (++all > most || system::interrupted() ||
            std::chrono::steady_clock::now() - start > std::chrono::duration<double>(seconds - outcomes[k].seconds))
            break;
        try {
            verify::run_again(outcomes, k, behind < most_behind);
        } catch (const system::Interrupted&) {
            break;
        }
        behind += outcomes[k].again && outcomes[k].again->alone.size() > 1;
    }
}

void remember(const std::vector<verify::Case>& failing, const std::string& replay) {
    if (!replay.empty()) verify::add_to_replay(replay, failing);
}

int run_hunt(const VerifyOptions& o) {
    if (!o.replay.empty()) verify::read_replay(o.replay);  // what is found can be added to it
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    Progress progress("hunt");
    constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();
    verify::Hunt found = verify::hunt(o.selection, o.seed, o.threads, true, any_number, [&](std::size_t) {
        progress.show(static_cast<std::size_t>(1000 * std::min(1.0, elapsed() / *o.hunt)), 1000);
        return elapsed() < *o.hunt;
    });
    progress.clear();
    const std::vector<verify::Case> failing = verify::shrink_failures(found.doubtful);
    print(verify::hunt_text(found, command_name()));
    print(fmt::format("hunt: {} cases, {} held, {} failed, {} unresolved, {} skipped; seed {}; {}{:.1f} s\n",
                      found.cases, found.held, found.failed, found.unresolved, found.skipped, o.seed,
                      system::interrupted() ? "interrupted; " : "", elapsed()));
    std::fflush(stdout);
    annotate(annotations_of(found.doubtful, {.command = command_name(), .allow_unresolved = o.allow_unresolved}));
    remember(failing, o.replay);
    if (system::interrupted()) return system::interrupted_status();
    return found.good(o.allow_unresolved) ? 0 : 1;
}

int run(const VerifyOptions& o) {
    if (o.list_cases) return list_cases(o), 0;
    system::catch_interrupts(interrupt_note);
    if (o.faults) return run_faults(o);
    if (o.hunt) return run_hunt(o);
    const auto start = std::chrono::steady_clock::now();
    std::optional<verify::Baseline> baseline;
    if (!o.baseline.empty()) baseline.emplace(o.baseline);
    std::optional<verify::Accepted> accept;
    if (!o.accept.empty()) accept.emplace(o.accept);
    if (!o.accept_write.empty()) verify::accept_text(o.accept_write, {});  // what is found can be added to it
    const verify::Accepted* const accepted = accept ? &*accept : nullptr;
    std::vector<std::string> left_out;
    std::size_t not_run = 0;
    std::vector<verify::Outcome> outcomes =
        o.vectors.empty() ? run_planned(o, baseline, accepted, left_out, not_run) : run_vectors(o, accepted, not_run);
    const verify::KnownFindings found =
        o.accept_write.empty() ? verify::KnownFindings() : verify::known_findings(outcomes);
    if (accepted) std::ranges::for_each(outcomes, [&](verify::Outcome& out) { accepted->apply(out); });
    const std::vector<verify::Case> failing =
        o.script ? std::vector<verify::Case>() : verify::shrink_failures(outcomes);
    if (!o.script) verify::explain_failures(outcomes);
    if (!o.script) run_examples_again(outcomes);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::string command = command_name();
    verify::Summary summary = verify::summarize(outcomes);
    summary.not_run = not_run, summary.interrupted = not_run > 0 && system::interrupted();
    const verify::BaselineResult against = baseline ? baseline->compare(outcomes) : verify::BaselineResult{};
    if (baseline && against.compared == 0 && !not_run)
        throw Error(o.baseline + " has no finding of any case of this run");
    verify::RunInfo info{seconds, command, o.call, o.allow_unresolved, not_run, {}, summary.interrupted};
    for (const verify::Loss& loss : against.losses) info.losses.push_back(baseline->loss_line(loss));
    std::string text;
    if (!o.quiet) {
        text = o.shows_all()        ? verify::findings_text(outcomes)
               : !o.vectors.empty() ? verify::vectors_text(outcomes)
                                    : verify::tables_text(outcomes);
        if (o.exhaustive) text += exhaustive_text(outcomes);
        for (const std::string& reason : left_out) text += fmt::format("left out: {}\n", reason);
    }
    const auto add_part = [&](const std::string& part) { text += (text.empty() || part.empty() ? "" : "\n") + part; };
    add_part(verify::problems_text(outcomes, command, o.all || o.shows_all()));
    if (baseline && !(o.quiet && against.losses.empty())) add_part(baseline->text(against, command));
    if (accepted) add_part(accepted->text(outcomes));
    print(text + verify::summary_line(summary, seconds) + "\n");
    std::fflush(stdout);  // the results do not depend on a disk
    annotate(annotations_of(outcomes, info));
    std::exception_ptr unwritten;  // one that cannot be written takes no other with it
    const auto write = [&](const std::string& file, const auto& contents) {
        try {
            if (!file.empty()) io::write_atomically(file, contents());
        } catch (const io::InputError&) {
            if (!unwritten) unwritten = std::current_exception();
        }
    };
    write(o.json, [&] { return verify::json_text(outcomes, summary, seconds, command); });
    write(o.junit, [&] { return verify::junit_text(outcomes, info); });
    write(o.html, [&] { return verify::html_text(outcomes, info); });
    write(o.accept_write, [&] { return verify::accept_text(o.accept_write, found); });
    remember(failing, o.replay);
    if (unwritten) std::rethrow_exception(unwritten);
    if (summary.interrupted) return system::interrupted_status();
    return summary.good(o.allow_unresolved) && against.losses.empty() ? 0 : 1;
}

std::string as_it_is(std::string_view, const std::string& word) { return word; }

void add_cases(CLI::App& verb, VerifyOptions& o) {
    in_group(verb, "Which cases", "verify --tier smoke --variant layer_norm,rms_norm --dtype f32");
    add_tier(verb, o.tier, "smoke (5 s), ci (the default; 60 to 80 s on two cores) or full (half an hour)");
    add_selection(verb, o.selection,
                  {"variants, comma separated (default: all)",
                   "checks (default: all); y, dx, dgamma, dbeta: that quantity's accuracy",
                   dtype_words() + " (default: all; --input: the file's own)",
                   "nchw, nhwc (default: both; --input: nchw)", "train, eval (default: both)"});
    verb.add_option("--case", o.cases,
                    "run exactly this case, as a failure printed it; or the name of a hostile input (normlab list)")
        ->allow_extra_args(false);
    updates(
        verb,
        verb.add_option(
            "--replay", o.replay,
            "a file of case strings: its cases run first (with --hunt they are not run); what fails is added to it, "
            "made small. It is made if it is not there"));
    verb.add_option("--filter", o.filter,
                    "keep only cases whose string matches this regular expression (ECMAScript), in part or whole");
    verb.add_flag("--list-cases", o.list_cases, "print the strings of the cases that would run, a line each; run none");
    add_threads(verb, o.threads);
}

void add_numbers(CLI::App& verb, VerifyOptions& o) {
    in_group(verb, "Numbers of yours", "verify --input activations.npy --variant layer_norm --eps 1e-6");
    reads(add_value(verb, "--input", o.input.x, as_it_is,
                    "a .npy file of activations or weights, f64, f32, bf16 or f16, [N, C, ...] ([N, ..., C] with "
                    "--layout nhwc); of an .npz file the member x, or the only one"));
    reads(add_value(verb, "--gamma", o.input.gamma, as_it_is,
                    "a .npy file of C values for --input (default: the .npz file's member gamma, else drawn)"));
    reads(add_value(verb, "--beta", o.input.beta, as_it_is, "the same for beta: a .npy file of C values"));
    add_value(
        verb, "--eps", o.input.eps,
        [](std::string_view flag, const std::string& word) { return verify::parse_number(flag, word); },
        "eps for --input");
    add_value(verb, "--bits", o.input.bits, parse_bits,
              "for --input: what the unsigned 16-bit numbers of a .npy array are the bits of, bf16 or f16");
    add_value(verb, "--groups", o.input.groups, verify::parse_integer,
              "groups of group norm for --input (default: the largest divisor of C up to 32)");
    add_value(verb, "--normalized", o.input.normalized, verify::parse_integer,
              "for --input: layer and rms norm over this many of the last dimensions, with a gamma for each element");
    add_value(verb, "--dim", o.input.weight_dim, as_it_is,
              "for --input: weight norm's dim, a number or none (default: 0)");
    reads(verb.add_option(
        "--data", o.data,
        "a folder with MNIST images (IDX, plain or gzip): verify on activations of layers fed with them"));
    verb.add_option("--layer", o.layer, "conv or dense alone, for --data");
    add_seed(verb, o.seed, "seed of what is drawn for --input, --data and --hunt");
}

void add_computed(CLI::App& verb, VerifyOptions& o) {
    in_group(verb, "What others computed", "verify --judge folder --accumulation tree");
    reads(add_value(verb, "--judge", o.judge.folder, as_it_is,
                    "a folder that normlab export wrote and a script filled in: the report on the script's numbers"));
    reads(add_value(verb, "--outputs", o.judge.outputs, as_it_is,
                    "where the script wrote CALL/*.npy, for --judge (default: beside the inputs)"));
    add_value(
        verb, "--accumulation", o.judge.accumulation,
        [](std::string_view, const std::string& word) { return parse_accumulation(word); },
        "how the judged script forms sums: sequential (the default), tree, f64, kappa-free or pivot; bounds follow "
        "from it");
    verb.add_flag(std::string(verify::accept_nan_flag), o.judge.accept_nan,
                  "for --judge: NaN and infinities hold where variance and eps are 0 (a constant input, a zero row of "
                  "weights), for which normlab has x_hat = 0");
    reads(verb.add_option("--vectors", o.vectors,
                          "a folder of outside test vectors, CASE/case.json and .npy files: verify against what "
                          "another program computed"));
    add_list(verb, "--only", o.only, "the vectors, or faults, with these names alone, for --vectors and --faults");
}

void add_searches(CLI::App& verb, VerifyOptions& o) {
    in_group(verb, "Looking further", "verify --hunt 60 --dtype bf16 --replay failures.txt");
    add_value(verb, "--hunt", o.hunt, parse_seconds,
              "look for the largest error over bound for so many seconds, among cases drawn by chance");
    verb.add_flag("--exhaustive", o.exhaustive,
                  "run every pair of bf16 and of f16 values through blocks of two elements, and every value through "
                  "evaluation");
    verb.add_flag(
        "--faults", o.faults,
        "say which check catches each of our planted faults, and count false alarms on the plug-in without one");
    verb.add_flag("--all", o.all,
                  "print all: every finding that fails, not one of each cause; for --faults, every check that catches "
                  "a fault, not "
                  "the first alone");
}

void add_reports(CLI::App& verb, VerifyOptions& o) {
    in_group(verb, "Reports", "verify --json now.json --html now.html --baseline then.json");
    writes(verb, verb.add_option("--json", o.json, "write every finding to this file, with version, commit and date"),
           json_file("normlab verify"), "--faults", json_file("normlab verify --faults"));
    writes(verb, verb.add_option("--junit", o.junit, "write JUnit XML to this file, as CI systems read it"),
           text_file("a report of verify --junit", std::string(verify::junit_beginning)));
    writes(verb, verb.add_option("--html", o.html, "write one self-contained page with figures to this file"),
           text_file("a page of verify --html", std::string(verify::html_beginning)));
    reads(verb.add_option("--baseline", o.baseline,
                          "a file that --json wrote earlier: accuracy that got worse since is a failure"));
    reads(verb.add_option("--accept", o.accept, "a file of known findings, a line each: they pass until they change"));
    updates(verb, verb.add_option("--accept-write", o.accept_write,
                                  "bring such a file up to date: what does not hold in this run is known then"));
    verb.add_flag("--fail-fast", o.fail_fast,
                  "stop at the first case that fails or is unresolved; those that were begun are finished");
    verb.add_flag("--quiet", o.quiet, "print only what does not hold, and the last line");
    verb.add_flag("--allow-unresolved", o.allow_unresolved, "exit status 0 although some quantity is UNRESOLVED");
}

}  // namespace

void add_verify(CLI::App& app, int& status) {
    auto* verb = app.add_subcommand("verify", "check implementations: accuracy, derivatives, identities, invariances");
    const auto o = std::make_shared<VerifyOptions>();
    add_cases(*verb, *o);
    add_implementations(*verb, *o);
    add_numbers(*verb, *o);
    add_computed(*verb, *o);
    add_searches(*verb, *o);
    add_reports(*verb, *o);
    when_called(*verb, [o, verb, &status] {
        VerifyOptions::check_call(*verb);
        o->call = command_line(*verb);
        o->add_plugins();
        o->add_script();
        status = run(*o);
    });
}

}  // namespace normlab::cli
