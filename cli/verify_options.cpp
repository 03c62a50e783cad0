#include "cli/verify_options.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "cli/plugins.hpp"
#include "norms/names.hpp"
#include "verify/run/real_data.hpp"
#include "verify/run/replay.hpp"
#include "verify/run/run_cases.hpp"

namespace normlab::cli {
namespace {

Accumulation parse_accumulation(const std::string& word) {
    constexpr std::string_view words[] = {"sequential", "tree", "f64", "kappa-free"};
    const auto at = std::ranges::find(words, word);
    if (at == std::end(words)) throw Error(unknown("accumulation", word, words));
    return static_cast<Accumulation>(at - words);
}

bool selects(const VerifyOptions& o) {
    return !(o.variants.empty() && o.implementations.empty() && o.checks.empty() && o.dtypes.empty() && o.layouts.empty() && o.modes.empty());
}

// The name of a catalogue entry has no settings and fewer words than a case.
bool is_name(const std::string& text) { return text.find('=') == std::string::npos && std::ranges::count(text, ' ') < 3; }

std::vector<verify::Case> explicit_cases(const VerifyOptions& o) {
    std::vector<verify::Case> cases;
    for (const std::string& text : o.cases) {
        if (is_name(text)) {
            const verify::HostileInput& input = verify::find_hostile_input(text);
            if (!input.missing.empty()) throw Error(fmt::format("{} is not run: {}", input.name, input.missing));
            std::ranges::move(verify::plan_hostile(input, o.selection()), std::back_inserter(cases));
            continue;
        }
        if (selects(o)) throw Error("a case says everything itself; a selection is accepted beside the name of a catalogue entry (normlab list)");
        cases.push_back(verify::parse_case(text));
        if (const std::string reason = verify::reason_to_skip(cases.back()); !reason.empty())
            throw Error(fmt::format("case '{}' cannot run: {}", text, reason));
    }
    return cases;
}

}  // namespace

void VerifyOptions::add_plugins() {
    std::vector<std::string> texts = cases;
    if (!replay.empty()) std::ranges::move(verify::replay_lines(replay), std::back_inserter(texts));
    std::vector<std::string> names = implementations_of(texts);
    names.insert(names.end(), implementations.begin(), implementations.end());
    std::vector<std::string> usual = verify::chosen_implementations({});
    const std::vector<std::string> added = cli::add_plugins(wanted_plugins(plugins, names), timeout);
    require_known(implementations);
    if (added.empty() || !implementations.empty() || !std::ranges::all_of(cases, is_name)) return;
    if (!plugins.empty()) usual.assign(added.begin(), added.begin() + static_cast<std::ptrdiff_t>(plugins.size()));
    implementations = usual;   // not the companions that a replayed case alone names
}

void VerifyOptions::add_script() {
    if (judge.empty()) {
        if (!(outputs + accumulation).empty()) throw Error("--outputs and --accumulation go with --judge");
        return;
    }
    if (!(plugins.empty() && implementations.empty()) || !(data + tier + vectors + replay + hunt + baseline + layer + seed + of_input()).empty())
        throw Error("--judge says what runs; accepted beside it: --outputs, --accumulation, --case, --variant, --check, --dtype, --layout, --mode");
    verify::JudgeOptions options{judge, outputs};
    if (!accumulation.empty()) options.accumulation = parse_accumulation(accumulation);
    script = &verify::add_script(options);
}

verify::Tier VerifyOptions::tier_or(verify::Tier otherwise) const {
    return tier.empty() ? otherwise : verify::parse_tier(tier);
}

verify::Selection VerifyOptions::selection() const {
    verify::Selection s{variants, implementations, checks, {}, {}, {}};
    for (const auto& w : dtypes) s.dtypes.push_back(parse_dtype(w));
    for (const auto& w : layouts) s.layouts.push_back(parse_layout(w));
    for (const auto& w : modes) s.modes.push_back(parse_mode(w));
    return s;
}

std::uint64_t VerifyOptions::seed_or_one() const { return seed.empty() ? 1 : verify::parse_seed("--seed", seed); }

int VerifyOptions::thread_count() const {
    const std::int64_t cores = std::max(1u, std::thread::hardware_concurrency());
    const std::int64_t n = threads.empty() ? cores : verify::parse_integer("--threads", threads);
    if (n < 1 || n > 1024) throw Error(fmt::format("--threads {}; 1 to 1024 is accepted", n));
    return static_cast<int>(n);
}

bool VerifyOptions::shows_all() const { return !std::ranges::all_of(cases, is_name) || !only.empty(); }

std::vector<verify::Case> planned_cases(const VerifyOptions& o, std::vector<std::string>& left_out) {
    const verify::Selection selection = o.selection();
    const std::uint64_t seed = o.seed_or_one();
    const int sources = !o.cases.empty() + !o.input.empty() + !o.data.empty();
    if (sources > 1) throw Error("--case, --input and --data were given together; one of them is accepted");
    if (o.input.empty() && !o.of_input().empty())
        throw Error("--gamma, --beta, --eps, --groups, --normalized and --dim go with --input; a case says G=, eps=");
    if (sources == 0 && !o.seed.empty()) throw Error("--seed goes with --input, --data or --hunt; a case says seed=");
    if (sources == 1 && !o.tier.empty()) throw Error("--tier is for generated cases; --case, --input and --data say themselves what runs");
    if (o.data.empty() && !o.layer.empty()) throw Error("--layer goes with --data");
    if (!o.cases.empty() && !o.seed.empty()) throw Error("--seed goes with --input, --data or --hunt; a case says seed=");
    if (o.script) std::ranges::move(o.script->left_out(), std::back_inserter(left_out));
    if (!o.cases.empty()) return explicit_cases(o);
    if (o.script) return o.script->cases(selection);
    if (!o.data.empty()) return verify::plan_mnist(o.data, o.layer, selection, seed, left_out);
    if (o.input.empty()) return verify::plan(selection, o.tier_or(verify::Tier::ci));
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

}  // namespace normlab::cli
