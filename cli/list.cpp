#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/options.hpp"
#include "cli/plugins.hpp"
#include "io/atomic_file.hpp"
#include "io/json.hpp"
#include "io/report_header.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "verify/checks/combinations.hpp"
#include "verify/remote/worker.hpp"
#include "verify/run/catalogue.hpp"

namespace normlab::cli {
namespace {

void print_tables() {
    fmt::print("variants\n");
    for (const Variant* v : all_variants()) fmt::print("  {:<14} {}\n", v->name, v->block);
    fmt::print("implementations\n");
    for (const Implementation* i : implementations())
        fmt::print("  {:<14} {}; f32 sums: {}{}\n", i->name(), i->description(), name_of(i->accumulation(DType::f32)),
                   i->available() ? "" : "; cannot run here: " + i->available().reason);
    for (const Companion& c : companions())
        if (!is_registered(c.name))
            fmt::print("  {:<14} a plug-in built along: {}; --impl {} brings it in\n", c.name, c.plugin.file, c.name);
    fmt::print("checks\n");
    for (const verify::Check& c : verify::checks()) fmt::print("  {:<18} {}\n", c.name, c.statement);
    fmt::print("coverage of the check combinations in tier ci\n");
    for (const Variant* v : all_variants())
        fmt::print("  {:<18} {}\n", v->name, verify::combinations_coverage(v->name, verify::Tier::ci));
    fmt::print("hostile inputs (verify --case NAME)\n");
    for (const verify::HostileInput& h : verify::hostile_inputs())
        fmt::print("  {:<20} {}; shows {}{}\n", h.name, h.construction, h.shows,
                   h.missing.empty() ? "" : fmt::format("; not run: {}", h.missing));
}

// Whether somebody here does not decline it.
bool runs_here(const verify::Check& check, const verify::Case& c) {
    return std::ranges::any_of(implementations(), [&](const Implementation* i) {
        return i->available() && i->supports(c.problem()) && (i->parallel() || check.name != "threads");
    });
}

// One test a check and variant: what ctest runs.
void print_tests() {
    for (const verify::Check& check : verify::checks())
        for (const Variant* v : all_variants()) {
            verify::Case base;
            base.variant = v->name;
            for (const verify::Case& c : check.cases(base, verify::Tier::smoke))
                if (check.refuses(c).empty() && runs_here(check, c)) {
                    fmt::print("{} {}\n", check.name, v->name);
                    break;
                }
        }
}

std::string json_text() {
    nlohmann::json document{{"header", io::report_header("normlab list")}};
    for (const Variant* v : all_variants()) document["variants"].push_back({{"name", v->name}, {"block", v->block}});
    for (const Implementation* i : implementations())
        document["implementations"].push_back({{"name", i->name()},
                                               {"description", i->description()},
                                               {"accumulation", name_of(i->accumulation(DType::f32))},
                                               {"cannot_run", i->available().reason}});
    for (const Companion& c : companions())
        if (!is_registered(c.name)) document["companions"].push_back({{"name", c.name}, {"file", c.plugin.file}});
    for (const verify::Check& c : verify::checks())
        document["checks"].push_back({{"name", c.name}, {"statement", c.statement}});
    for (const verify::HostileInput& h : verify::hostile_inputs())
        document["hostile_inputs"].push_back({{"name", h.name},
                                              {"construction", h.construction},
                                              {"shows", h.shows},
                                              {"expected", h.expected},
                                              {"not_run", h.missing}});
    return io::text_of(document);
}

}  // namespace

void add_list(CLI::App& app, int&) {
    auto* verb = app.add_subcommand("list", "variants, implementations, checks and hostile inputs");
    struct Options {
        std::string json;
        std::optional<double> timeout;
        std::vector<std::string> plugins, implementations;
        bool tests = false;
    };
    const auto o = std::make_shared<Options>();
    add_plugin_files(*verb, o->plugins);
    add_list(*verb, "--impl", o->implementations, "plug-ins built along to be listed as what they say of themselves");
    add_value(
        *verb, "--timeout", o->timeout,
        [](std::string_view flag, const std::string& word) {
            const double seconds = parse_seconds(flag, word);
            if (seconds < verify::seconds_to_load)
                throw Error(fmt::format("{} {}; seconds, {} and up to 86400, are accepted", flag, word,
                                        verify::seconds_to_load));
            return seconds;
        },
        "seconds that loading a plug-in may take, 60 or more (default: 60)");
    writes(*verb, verb->add_option("--json", o->json, "write the lists to this file"), json_file("normlab list"));
    verb->add_flag("--tests", o->tests, "check and variant of every property test, a line each");
    when_called(*verb, [o, verb] {
        accept_one(*verb, {"--tests", "--json"});
        add_plugins(wanted_plugins(o->plugins, o->implementations), o->timeout);
        require_known(o->implementations);
        if (o->tests) return print_tests();
        if (!o->json.empty()) io::write_atomically(o->json, json_text());
        print_tables();
    });
}

}  // namespace normlab::cli
