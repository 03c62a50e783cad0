#include <chrono>
#include <memory>

#include <fmt/format.h>

#include "cli/colour.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/progress.hpp"
#include "cli/verify_cases.hpp"
#include "io/atomic_file.hpp"
#include "system/interrupt.hpp"
#include "verify/report/hunt_report.hpp"

namespace normlab::cli {
namespace {

struct SoakOptions {
    VerifyOptions verify;
    std::int64_t count = 100000;
};

int run(const SoakOptions& o) {
    const VerifyOptions& v = o.verify;
    system::catch_interrupts(interrupt_note);
    const auto start = std::chrono::steady_clock::now();
    const auto total = static_cast<std::size_t>(o.count);
    Progress progress("soak");
    const verify::Hunt found = verify::hunt(v.selection, v.seed, v.threads, false, total, [&](std::size_t done) {
        progress.show(std::min(done, total), total);
        return true;
    });
    progress.clear();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::size_t not_run = system::interrupted() ? total - std::min(found.cases, total) : 0;
    print(verify::hunt_text(found, command_name()));
    print(fmt::format("soak: {} cases, seed {}: {} held, {} failed, {} unresolved, {} skipped; {}{:.1f} minutes\n",
                      found.cases, v.seed, found.held, found.failed, found.unresolved, found.skipped,
                      not_run ? fmt::format("interrupted, {} not run; ", not_run) : "", seconds / 60));
    std::fflush(stdout);
    annotate(annotations_of(found.doubtful, {.command = command_name(), .allow_unresolved = v.allow_unresolved}));
    if (!v.json.empty()) io::write_atomically(v.json, verify::hunt_json(found, v.seed, seconds, not_run));
    if (not_run) return system::interrupted_status();
    return found.good(v.allow_unresolved) ? 0 : 1;
}

}  // namespace

void add_soak(CLI::App& app, int& status) {
    auto* verb =
        app.add_subcommand("soak", "check 100000 cases drawn by chance; a right implementation passes every one");
    const auto o = std::make_shared<SoakOptions>();
    in_group(*verb, "Which cases", "soak --cases 1000000 --seed 7 --dtype f32");
    add_value(*verb, "--cases", o->count, from_to(1, 1000000000), "how many (default: 100000)");
    add_seed(*verb, o->verify.seed, "which (default: 1); the same for any number of threads");
    add_selection(*verb, o->verify.selection,
                  {"variants, comma separated (default: all)",
                   "checks (default: those that look at whatever numbers a case draws)",
                   dtype_words() + " (default: all)", "nchw, nhwc (default: both)", "train, eval (default: both)"});
    add_threads(*verb, o->verify.threads);
    add_implementations(*verb, o->verify);
    in_group(*verb, "Reports", "soak --json soak.json --allow-unresolved");
    writes(*verb,
           verb->add_option("--json", o->verify.json, "write the counts, the worst and the failing cases to this file"),
           json_file("normlab soak"));
    verb->add_flag("--allow-unresolved", o->verify.allow_unresolved,
                   "exit status 0 although some quantity is UNRESOLVED");
    when_called(*verb, [o, &status] { o->verify.add_plugins(), status = run(*o); });
}

}  // namespace normlab::cli
