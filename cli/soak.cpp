#include <chrono>
#include <memory>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/plugins.hpp"
#include "cli/progress.hpp"
#include "cli/verify_options.hpp"
#include "io/atomic_file.hpp"
#include "verify/report/hunt_report.hpp"

namespace normlab::cli {
namespace {

struct SoakOptions {
    VerifyOptions verify;
    std::string count;
};

int run(const SoakOptions& o) {
    const VerifyOptions& v = o.verify;
    const std::int64_t count = o.count.empty() ? 100000 : verify::parse_integer("--cases", o.count);
    if (count < 1 || count > 1000000000) throw Error(fmt::format("--cases {}; 1 to 1000000000 is accepted", count));
    if (v.json == "-") throw Error("--json -: a file's path is accepted");
    if (!v.json.empty()) io::check_writable(v.json);
    const auto start = std::chrono::steady_clock::now();
    const auto total = static_cast<std::size_t>(count);
    Progress progress("soak");
    const verify::Hunt found = verify::hunt(v.selection(), v.seed_or_one(), v.thread_count(), false, total, [&](std::size_t done) {
        progress.show(std::min(done, total), total);
        return true;
    });
    progress.clear();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    fmt::print("{}", verify::hunt_text(found, command_name()));
    fmt::print("soak: {} cases, seed {}: {} held, {} failed, {} unresolved, {} skipped; {:.1f} minutes\n", found.cases, v.seed_or_one(), found.held,
               found.failed, found.unresolved, found.skipped, seconds / 60);
    if (!v.json.empty()) io::write_atomically(v.json, verify::hunt_json(found, v.seed_or_one(), seconds));
    return found.good(v.allow_unresolved) ? 0 : 1;
}

}  // namespace

void add_soak(CLI::App& app, int& status) {
    auto* verb = app.add_subcommand("soak", "many cases drawn by chance, every one of which right implementations pass");
    const auto o = std::make_shared<SoakOptions>();
    const auto list = [&](const char* flag, std::vector<std::string>& to, const char* help) { verb->add_option(flag, to, help)->delimiter(','); };
    verb->add_option("--cases", o->count, "how many (default: 100000)");
    verb->add_option("--seed", o->verify.seed, "which (default: 1); the same for any number of threads");
    list("--variant", o->verify.variants, "variants, comma separated (default: all)");
    list("--impl", o->verify.implementations, "implementations (default: all, or the plug-ins alone where there are some)");
    verb->add_option("--plugin", o->verify.plugins, plugin_help)->allow_extra_args(false);
    verb->add_option("--timeout", o->verify.timeout, timeout_help);
    list("--check", o->verify.checks, "checks (default: those that look at whatever numbers a case draws)");
    list("--dtype", o->verify.dtypes, "f64, f32, bf16, f16 (default: all)");
    list("--layout", o->verify.layouts, "nchw, nhwc (default: both)");
    list("--mode", o->verify.modes, "train, eval (default: both)");
    verb->add_option("--threads", o->verify.threads, "threads (default: all cores); results do not depend on it");
    verb->add_option("--json", o->verify.json, "write the counts, the worst and the failing cases to this file");
    verb->add_flag("--allow-unresolved", o->verify.allow_unresolved, "exit status 0 although some quantity is UNRESOLVED");
    refuse_empty_arguments(*verb);
    verb->callback([o, &status] { o->verify.add_plugins(), status = run(*o); });
}

}  // namespace normlab::cli
