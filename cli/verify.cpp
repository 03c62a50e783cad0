#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/progress.hpp"
#include "io/atomic_file.hpp"
#include "norms/names.hpp"
#include "verify/real_data.hpp"
#include "verify/report.hpp"
#include "verify/vectors.hpp"

namespace normlab::cli {
namespace {

struct Options {
    std::vector<std::string> variants, implementations, checks, dtypes, layouts, modes, cases, only;
    std::string vectors, tier, json, layer, input, gamma, beta, data, dim, seed, eps, groups, normalized, threads;
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

bool selects(const Options& o) {
    return !(o.variants.empty() && o.implementations.empty() && o.checks.empty() && o.dtypes.empty() && o.layouts.empty() && o.modes.empty());
}

// The name of a catalogue entry has no settings and fewer words than a case.
bool is_name(const std::string& text) { return text.find('=') == std::string::npos && std::ranges::count(text, ' ') < 3; }

std::vector<verify::Case> explicit_cases(const Options& o) {
    std::vector<verify::Case> cases;
    for (const std::string& text : o.cases) {
        if (is_name(text)) {
            const verify::HostileInput& input = verify::find_hostile_input(text);
            if (!input.missing.empty()) throw Error(fmt::format("{} is not run: {}", input.name, input.missing));
            std::ranges::move(verify::plan_hostile(input, selection_of(o)), std::back_inserter(cases));
            continue;
        }
        if (selects(o)) throw Error("a case says everything itself; a selection is accepted beside the name of a catalogue entry (normlab list)");
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
    if (!o.cases.empty() && !o.seed.empty()) throw Error("--seed goes with --input or --data; a case says seed=");
    if (!o.cases.empty()) return explicit_cases(o);
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

// The cases of all sources but --vectors.
std::vector<verify::Outcome> run_planned(const Options& o, std::vector<std::string>& left_out) {
    const std::vector<verify::Case> cases = planned(o, left_out);
    if (cases.empty()) throw Error("nothing to verify: no check applies to this selection; `normlab list` shows checks and variants");
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
    return outcomes;
}

std::vector<verify::Outcome> run_vectors(const Options& o) {
    if (!(o.cases.empty() && o.checks.empty() && o.modes.empty()) || !(o.input + o.data + o.tier + o.seed + o.threads + o.gamma + o.beta + o.eps + o.groups + o.normalized + o.dim + o.layer).empty())
        throw Error("--vectors says what runs; --only, --variant, --impl, --dtype and --layout are accepted beside it");
    Progress progress("verify");
    auto outcomes = verify::run_vectors(o.vectors, o.only, selection_of(o), [&](std::size_t done, std::size_t total) { progress.show(done, total); });
    progress.clear();
    return outcomes;
}

int run(const Options& o) {
    const auto start = std::chrono::steady_clock::now();
    if (o.json == "-") throw Error("--json -: a file's path is accepted");
    if (!o.json.empty()) io::check_writable(o.json);
    if (o.vectors.empty() && !o.only.empty()) throw Error("--only goes with --vectors");
    std::vector<std::string> left_out;
    const std::vector<verify::Outcome> outcomes = o.vectors.empty() ? run_planned(o, left_out) : run_vectors(o);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const char* called_as = std::getenv("NORMLAB_COMMAND");   // set by ./dev, so that the rerun lines can be pasted
    const std::string command = called_as ? called_as : "normlab";
    const verify::Summary summary = verify::summarize(outcomes);
    if (!o.json.empty()) io::write_atomically(o.json, verify::json_text(outcomes, summary, seconds, command));
    const bool in_full = !o.only.empty() || !std::ranges::all_of(o.cases, is_name);
    fmt::print("{}", in_full ? verify::findings_text(outcomes) : !o.vectors.empty() ? verify::vectors_text(outcomes) : verify::tables_text(outcomes));
    for (const std::string& reason : left_out) fmt::print("left out: {}\n", reason);
    const std::string failures = verify::failures_text(outcomes, command);
    if (!failures.empty()) fmt::print("\n{}", failures);
    fmt::print("{}\n", verify::summary_line(summary, seconds));
    return summary.good(o.allow_unresolved) ? 0 : 1;
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
    verb->add_option("--case", o->cases, "run exactly this case, as a failure printed it; or a named one of the catalogue (normlab list)")->allow_extra_args(false);
    verb->add_option("--input", o->input, "a .npy file of activations or weights, f32 or f64, [N, C, ...] ([N, ..., C] with --layout nhwc); of an .npz file "
                     "the member x, or the only one");
    verb->add_option("--gamma", o->gamma, "a .npy file of C values for --input (default: the .npz file's member gamma, else drawn)");
    verb->add_option("--beta", o->beta, "likewise");
    verb->add_option("--eps", o->eps, "eps for --input");
    verb->add_option("--groups", o->groups, "groups of group norm for --input (default: the largest divisor of C up to 32)");
    verb->add_option("--normalized", o->normalized, "for --input: layer and rms norm over this many last dimensions, gamma an element");
    verb->add_option("--dim", o->dim, "for --input: weight norm's dim, a number or none (default: 0)");
    verb->add_option("--data", o->data, "a folder with MNIST images (IDX, plain or gzip): verify on activations of layers fed with them");
    verb->add_option("--vectors", o->vectors, "a folder of outside test vectors, CASE/case.json and .npy files: verify against what another program computed");
    list("--only", o->only, "the vectors with these names alone, for --vectors");
    verb->add_option("--layer", o->layer, "conv or dense alone, for --data");
    verb->add_option("--seed", o->seed, "seed of what is drawn for --input and --data");
    verb->add_option("--threads", o->threads, "threads (default: all cores); results do not depend on it");
    verb->add_option("--json", o->json, "write every finding to this file");
    verb->add_flag("--allow-unresolved", o->allow_unresolved, "exit status 0 although some quantity is UNRESOLVED");
    refuse_empty_arguments(*verb);
    verb->callback([o, &status] { status = run(*o); });
}

}  // namespace normlab::cli
