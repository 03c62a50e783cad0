#include "cli/verify_options.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cli/plugins.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "verify/run/replay.hpp"
#include "verify/run/run_cases.hpp"

namespace normlab::cli {
namespace {

bool selects(const verify::Selection& s) {
    return !(s.variants.empty() && s.implementations.empty() && s.checks.empty() && s.dtypes.empty() &&
             s.layouts.empty() && s.modes.empty());
}

// The name of a catalogue entry has no settings and fewer words than a case.
bool is_name(const std::string& text) {
    return text.find('=') == std::string::npos && std::ranges::count(text, ' ') < 3;
}

std::vector<verify::Case> explicit_cases(const VerifyOptions& o) {
    std::vector<verify::Case> cases;
    for (const std::string& text : o.cases) {
        if (is_name(text)) {
            const verify::HostileInput& input = verify::find_hostile_input(text);
            if (!input.missing.empty()) throw Error(fmt::format("{} is not run: {}", input.name, input.missing));
            std::ranges::move(verify::plan_hostile(input, o.selection), std::back_inserter(cases));
            continue;
        }
        if (selects(o.selection))
            throw Error(
                "a case says everything itself; a selection is accepted beside the name of a hostile input (normlab "
                "list)");
        cases.push_back(parse_known_case(text));
        if (const std::string reason = verify::reason_to_skip(cases.back()); !reason.empty())
            throw Error(fmt::format("case '{}' cannot run: {}", text, reason));
    }
    return cases;
}

}  // namespace

void VerifyOptions::check_call(const CLI::App& verb) {
    accept_beside(verb, "--judge", "says what runs",
                  {"--outputs",     "--accumulation", std::string(verify::accept_nan_flag),
                   "--case",        "--variant",      "--check",
                   "--dtype",       "--layout",       "--mode",
                   "--threads",     "--timeout",      "--json",
                   "--junit",       "--html",         "--allow-unresolved",
                   "--filter",      "--list-cases",   "--fail-fast",
                   "--quiet",       "--all",          "--accept",
                   "--accept-write"});
    accept_beside(verb, "--faults", "runs a plug-in of its own on tier ci",
                  {"--only", "--all", "--variant", "--check", "--dtype", "--layout", "--mode", "--threads", "--timeout",
                   "--json"});
    accept_beside(verb, "--hunt", "draws its own cases",
                  {"--variant", "--impl", "--plugin", "--timeout", "--check", "--dtype", "--layout", "--mode", "--seed",
                   "--threads", "--replay", "--allow-unresolved"});
    accept_beside(verb, "--exhaustive", "says what runs",
                  {"--variant", "--impl", "--plugin", "--timeout", "--dtype", "--layout", "--mode", "--threads",
                   "--filter", "--list-cases", "--json", "--junit", "--html", "--accept", "--accept-write",
                   "--allow-unresolved", "--fail-fast", "--quiet"});
    accept_beside(
        verb, "--vectors", "says what runs",
        {"--only", "--variant", "--impl", "--plugin", "--timeout", "--dtype", "--layout", "--json", "--junit", "--html",
         "--baseline", "--accept", "--accept-write", "--allow-unresolved", "--fail-fast", "--quiet", "--all"});
    if (const Flags found = given(verb, {"--json", "--junit", "--html", "--baseline", "--accept", "--accept-write",
                                         "--fail-fast", "--quiet"});
        verb.count("--list-cases") && !found.empty())
        throw Error("--list-cases runs no case, so that " + found.front() +
                    " has nothing to tell; leave one of them out");
    require_with(verb, {"--outputs", "--accumulation", std::string(verify::accept_nan_flag)}, {"--judge"});
    require_with(verb, {"--only"}, {"--vectors", "--faults"});
    require_with(verb, {"--layer"}, {"--data"});
    accept_one(verb, {"--case", "--input", "--data"});
    for (const auto& [flag, key] :
         {std::pair("--gamma", "gamma="), {"--beta", "beta="}, {"--eps", "eps="}, {"--groups", "G="}})
        require_with(verb, {flag}, {"--input"}, fmt::format("; a case says {}", key));
    require_with(verb, {"--bits", "--normalized", "--dim"}, {"--input"});
    require_with(verb, {"--seed"}, {"--input", "--data", "--hunt"}, "; a case says seed=");
    if (verb.count("--tier") && !given(verb, {"--case", "--input", "--data"}).empty())
        throw Error("--tier is for generated cases; --case, --input and --data say themselves what runs");
}

void VerifyOptions::add_plugins() {
    std::vector<std::string> texts = cases;
    if (!replay.empty()) std::ranges::move(verify::replay_lines(replay), std::back_inserter(texts));
    std::vector<std::string>& implementations = selection.implementations;
    std::vector<std::string> names = implementations_of(texts);
    names.insert(names.end(), implementations.begin(), implementations.end());
    std::vector<std::string> usual = verify::chosen_implementations({});
    const std::vector<std::string> added = cli::add_plugins(wanted_plugins(plugins, names), timeout);
    require_known(implementations);
    std::erase_if(texts = cases, is_name);
    if (judge.folder.empty()) naming("--case", [&] { require_known(implementations_of(texts)); });
    if (added.empty() || !implementations.empty() || !std::ranges::all_of(cases, is_name)) return;
    if (!plugins.empty()) usual.assign(added.begin(), added.begin() + static_cast<std::ptrdiff_t>(plugins.size()));
    implementations = usual;  // not the companions that a replayed case alone names
}

void VerifyOptions::add_script() {
    if (!judge.folder.empty()) script = &verify::add_script(judge);
}

verify::Case parse_known_case(const std::string& text) {
    verify::Case c = verify::parse_case(text);
    try {
        verify::find_check(c.check);
    } catch (const Error& e) {
        throw Error(fmt::format("case '{}': {}", text, e.what()));
    }
    return c;
}

bool VerifyOptions::shows_all() const { return !std::ranges::all_of(cases, is_name) || !only.empty(); }

void add_selection(CLI::App& verb, verify::Selection& to, const std::vector<std::string>& help) {
    add_list(
        verb, "--variant", to.variants, [](const std::string& word) { return std::string(find_variant(word).name); },
        help.at(0));
    add_list(verb, "--check", to.checks, help.at(1));
    add_list(verb, "--dtype", to.dtypes, parse_dtype, help.at(2));
    add_list(verb, "--layout", to.layouts, parse_layout, help.at(3));
    add_list(verb, "--mode", to.modes, parse_mode, help.at(4));
}

void add_tier(CLI::App& verb, std::optional<verify::Tier>& to, const std::string& help) {
    add_value(
        verb, "--tier", to, [](std::string_view, const std::string& word) { return verify::parse_tier(word); }, help);
}

void add_implementations(CLI::App& verb, VerifyOptions& o) {
    in_group(verb, "Implementations", verb.get_name() + " --plugin ./libmine.so --variant layer_norm");
    add_list(verb, "--impl", o.selection.implementations,
             "implementations (default: all; with --plugin: the plug-ins alone)");
    add_plugin_files(verb, o.plugins);
    add_value(verb, "--timeout", o.timeout, parse_seconds, timeout_help);
}

void add_seed(CLI::App& verb, std::uint64_t& to, const std::string& help) {
    add_value(verb, "--seed", to, verify::parse_seed, help);
}

std::vector<verify::Case> planned_cases(const VerifyOptions& o, std::vector<std::string>& left_out) {
    if (o.script) std::ranges::move(o.script->left_out(), std::back_inserter(left_out));
    if (!o.cases.empty()) return explicit_cases(o);
    if (o.script) return o.script->cases(o.selection);
    if (!o.data.empty()) return verify::plan_mnist(o.data, o.layer, o.selection, o.seed, left_out);
    if (o.exhaustive) return verify::plan_exhaustive(o.selection);
    if (o.input.x.empty()) return verify::plan(o.selection, o.tier.value_or(verify::Tier::ci));
    verify::InputOptions input = o.input;
    input.seed = o.seed;
    if (o.selection.layouts.size() > 1)
        throw Error("--input has one layout; --layout nchw or --layout nhwc is accepted");
    if (!o.selection.layouts.empty()) input.layout = o.selection.layouts[0];
    return verify::plan_input(input, o.selection, left_out);
}

}  // namespace normlab::cli
