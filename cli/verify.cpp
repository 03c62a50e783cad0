#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/progress.hpp"
#include "io/atomic_file.hpp"
#include "norms/names.hpp"
#include "verify/baseline.hpp"
#include "verify/html.hpp"
#include "verify/junit.hpp"
#include "verify/real_data.hpp"

namespace normlab::cli {
namespace {

struct Options {
    std::vector<std::string> variants, implementations, checks, dtypes, layouts, modes, cases;
    std::string tier, json, junit, html, baseline, call, layer, input, gamma, beta, data, dim, seed, eps, groups, normalized, threads;
    bool allow_unresolved = false;
};

verify::Tier parse_tier(const std::string& word) {
    constexpr std::string_view names[] = {"smoke", "ci", "full"};
    for (std::size_t i = 0; i < 3; ++i)
        if (names[i] == word) return static_cast<verify::Tier>(i);
    throw Error(unknown("tier", word, names));
}

verify::Selection selection_of(const Options& o) {
    verify::Selection s{o.variants, o.implementations, o.checks, {}, {}, {}};
    for (const auto& w : o.dtypes) s.dtypes.push_back(parse_dtype(w));
    for (const auto& w : o.layouts) s.layouts.push_back(parse_layout(w));
    for (const auto& w : o.modes) s.modes.push_back(parse_mode(w));
    return s;
}

std::vector<verify::Case> explicit_cases(const Options& o) {
    std::vector<verify::Case> cases;
    for (const std::string& text : o.cases) {
        cases.push_back(verify::parse_case(text));
        if (const std::string reason = verify::reason_to_skip(cases.back()); !reason.empty())
            throw Error(fmt::format("case '{}' cannot run: {}", text, reason));
    }
    return cases;
}

std::vector<verify::Case> planned(const Options& o, std::vector<std::string>& left_out) {
    const verify::Selection selection = selection_of(o);
    const std::uint64_t seed = o.seed.empty() ? 1 : verify::parse_seed("--seed", o.seed);
    const int sources = !o.cases.empty() + !o.input.empty() + !o.data.empty();
    if (sources > 1) throw Error("--case, --input and --data were given together; one of them is accepted");
    if (o.input.empty() && !(o.gamma + o.beta + o.eps + o.groups + o.normalized + o.dim).empty())
        throw Error("--gamma, --beta, --eps, --groups, --normalized and --dim go with --input; a case says G=, eps=");
    if (sources == 0 && !o.seed.empty()) throw Error("--seed goes with --input or --data; a case says seed=");
    if (sources == 1 && !o.tier.empty()) throw Error("--tier is for generated cases; --case, --input and --data say themselves what runs");
    if (o.data.empty() && !o.layer.empty()) throw Error("--layer goes with --data");
    if (!o.cases.empty()) {
        if (!(o.seed.empty() && o.variants.empty() && o.implementations.empty() && o.checks.empty() && o.dtypes.empty() && o.layouts.empty() && o.modes.empty()))
            throw Error("--case says everything itself; no selection and no --seed is accepted beside it");
        return explicit_cases(o);
    }
    if (!o.data.empty()) return verify::plan_mnist(o.data, o.layer, selection, seed, left_out);
    if (o.input.empty()) return verify::plan(selection, o.tier.empty() ? verify::Tier::ci : parse_tier(o.tier));
    verify::InputOptions input;
    input.x = o.input, input.gamma = o.gamma, input.beta = o.beta, input.seed = seed;
    if (selection.layouts.size() > 1) throw Error("--input has one layout; --layout nchw or --layout nhwc is accepted");
    if (!selection.layouts.empty()) input.layout = selection.layouts[0];
    if (!o.eps.empty()) input.eps = verify::parse_number("--eps", o.eps);
    if (!o.groups.empty()) input.groups = verify::parse_integer("--groups", o.groups);
    if (!o.normalized.empty()) input.normalized = verify::parse_integer("--normalized", o.normalized);
    if (!o.dim.empty()) input.weight_dim = o.dim;
    return verify::plan_input(input, selection, left_out);
}

// Before the run: a file that cannot be written is known now.
void check_outputs(const Options& o) {
    std::vector<std::filesystem::path> seen;
    for (const auto& [flag, path] : {std::pair("--json", o.json), std::pair("--junit", o.junit), std::pair("--html", o.html)}) {
        if (path.empty()) continue;
        if (path == "-") throw Error(fmt::format("{} -: a file's path is accepted", flag));
        io::check_writable(path);
        const std::filesystem::path whole = std::filesystem::weakly_canonical(std::filesystem::absolute(path));
        if (std::ranges::find(seen, whole) != seen.end()) throw Error(fmt::format("{} {}: another report goes there; a file of its own is accepted", flag, path));
        seen.push_back(whole);
    }
}

int run(const Options& o) {
    const auto start = std::chrono::steady_clock::now();
    check_outputs(o);
    std::optional<verify::Baseline> baseline;
    if (!o.baseline.empty()) baseline.emplace(o.baseline);
    std::vector<std::string> left_out;
    const std::vector<verify::Case> cases = planned(o, left_out);
    if (cases.empty()) throw Error("nothing to verify: no check applies to this selection; `normlab list` shows checks and variants");
    if (baseline) baseline->require_overlap(cases);
    std::int64_t threads = o.threads.empty() ? std::max(1u, std::thread::hardware_concurrency()) : verify::parse_integer("--threads", o.threads);
    if (threads < 1 || threads > 1024) throw Error(fmt::format("--threads {}; 1 to 1024 is accepted", threads));
    double need = 1;   // several large blocks at once may not fit
    for (const verify::Case& c : cases) need = std::max(need, verify::bytes_needed(c));
    const double memory = 0.8 * static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
    threads = std::clamp<std::int64_t>(static_cast<std::int64_t>(memory / need), 1, threads);
    Progress progress("verify");
    const auto outcomes =
        verify::run_cases(cases, static_cast<int>(threads), [&](std::size_t done, std::size_t total) { progress.show(done, total); });
    progress.clear();
    if (std::ranges::all_of(outcomes, [](const verify::Outcome& out) { return !out.skipped.empty(); }))
        throw Error("nothing could run: " + outcomes.front().skipped);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const char* called_as = std::getenv("NORMLAB_COMMAND");   // set by ./dev, so that the rerun lines can be pasted
    const std::string command = called_as ? called_as : "normlab";
    const verify::Summary summary = verify::summarize(outcomes);
    const verify::BaselineResult against = baseline ? baseline->compare(outcomes) : verify::BaselineResult{};
    verify::RunInfo info{seconds, command, o.call, o.allow_unresolved, {}};
    for (const verify::Loss& loss : against.losses) info.losses.push_back(baseline->loss_line(loss));
    if (!o.json.empty()) io::write_atomically(o.json, verify::json_text(outcomes, summary, seconds, command));
    if (!o.junit.empty()) io::write_atomically(o.junit, verify::junit_text(outcomes, info));
    if (!o.html.empty()) io::write_atomically(o.html, verify::html_text(outcomes, info));
    fmt::print("{}", o.cases.empty() ? verify::tables_text(outcomes) : verify::findings_text(outcomes));
    for (const std::string& reason : left_out) fmt::print("left out: {}\n", reason);
    const std::string failures = verify::failures_text(outcomes, command);
    if (!failures.empty()) fmt::print("\n{}", failures);
    if (baseline) fmt::print("\n{}", baseline->text(against, command));
    fmt::print("{}\n", verify::summary_line(summary, seconds));
    return summary.good(o.allow_unresolved) && against.losses.empty() ? 0 : 1;
}

}  // namespace

void add_verify(CLI::App& app, int& status) {
    auto* verb = app.add_subcommand("verify", "prove implementations right: accuracy, derivatives, identities, invariances");
    const auto o = std::make_shared<Options>();
    const auto list = [&](const char* flag, std::vector<std::string>& to, const char* help) { verb->add_option(flag, to, help)->delimiter(','); };
    list("--variant", o->variants, "variants, comma separated (default: all)");
    list("--impl", o->implementations, "implementations (default: all)");
    list("--check", o->checks, "checks (default: all); y, dx, dgamma, dbeta: that quantity's accuracy");
    list("--dtype", o->dtypes, "f64, f32, bf16, f16 (default: all; --input: the file's own)");
    list("--layout", o->layouts, "nchw, nhwc (default: both; --input: nchw)");
    list("--mode", o->modes, "train, eval (default: both)");
    verb->add_option("--tier", o->tier, "smoke (5 s), ci (60 s, the default) or full");
    verb->add_option("--case", o->cases, "run exactly this case, as a failure printed it")->allow_extra_args(false);
    verb->add_option("--input", o->input, "a .npy file of activations or weights, f32 or f64, [N, C, ...] ([N, ..., C] with --layout nhwc)");
    verb->add_option("--gamma", o->gamma, "a .npy file of C values for --input");
    verb->add_option("--beta", o->beta, "a .npy file of C values for --input");
    verb->add_option("--eps", o->eps, "eps for --input");
    verb->add_option("--groups", o->groups, "groups of group norm for --input (default: the largest divisor of C up to 32)");
    verb->add_option("--normalized", o->normalized, "for --input: layer and rms norm over this many last dimensions, gamma an element");
    verb->add_option("--dim", o->dim, "for --input: weight norm's dim, a number or none (default: 0)");
    verb->add_option("--data", o->data, "a folder with MNIST images (IDX, plain or gzip): verify on activations of layers fed with them");
    verb->add_option("--layer", o->layer, "conv or dense alone, for --data");
    verb->add_option("--seed", o->seed, "seed of what is drawn for --input and --data");
    verb->add_option("--threads", o->threads, "threads (default: all cores); results do not depend on it");
    verb->add_option("--json", o->json, "write every finding to this file");
    verb->add_option("--junit", o->junit, "write JUnit XML to this file, as CI systems read it");
    verb->add_option("--html", o->html, "write one self-contained page with figures to this file");
    verb->add_option("--baseline", o->baseline, "a file that --json wrote earlier: accuracy that got worse since is a failure");
    verb->add_flag("--allow-unresolved", o->allow_unresolved, "exit status 0 although some quantity is UNRESOLVED");
    refuse_empty_arguments(*verb);
    verb->callback([o, verb, &status] { o->call = command_line(*verb), status = run(*o); });
}

}  // namespace normlab::cli
