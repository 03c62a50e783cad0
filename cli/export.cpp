#include <memory>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/progress.hpp"
#include "cli/verify_options.hpp"
#include "system/interrupt.hpp"
#include "system/shell.hpp"
#include "verify/exchange/export.hpp"

namespace normlab::cli {
namespace {

int run(const CLI::App& verb, const std::string& folder, const VerifyOptions& o) {
    std::vector<std::string> left_out;
    std::vector<verify::Case> cases;
    for (const std::string& text : o.cases) {
        cases.push_back(verify::as_a_script(verify::parse_case(text)));
        cases.back().implementation = verify::script_name;
    }
    if (!cases.empty() && !given(verb, {"--tier", "--variant", "--check", "--dtype", "--layout", "--mode"}).empty())
        throw Error("a case says everything itself; --tier and a selection are accepted without --case");
    if (cases.empty()) cases = verify::plan_export(o.selection, o.tier.value_or(verify::Tier::smoke), left_out);
    Progress progress("export");
    system::catch_interrupts("export: stopping; nothing of the folder is kept\n");
    const auto show = [&](std::size_t done, std::size_t total) {
        if (system::interrupted()) throw system::Interrupted();
        progress.show(done, total);
    };
    const verify::Exported written = verify::export_cases(folder, cases, left_out, show);
    progress.clear();
    for (const std::string& line : left_out) fmt::print("left out: {}\n", line);
    fmt::print("export: {} cases make {} calls: {} files, {:.1f} MB in {}\n", written.cases, written.calls,
               written.files, static_cast<double>(written.bytes) / 1e6, folder);
    fmt::print("write the outputs that each CALL/case.json lists, then: {}\n",
               command_name() + " verify --judge " + system::shell_word(folder));
    return 0;
}

}  // namespace

void add_export(CLI::App& app, int& status) {
    auto* verb = app.add_subcommand(
        "export", "write cases as .npy files, for kernels in any language; verify --judge reads the results");
    const auto folder = std::make_shared<std::string>();
    const auto o = std::make_shared<VerifyOptions>();
    fills(verb->add_option("DIR", *folder, "the folder to write, which is to be new or empty")->required());
    in_group(*verb, "Which cases", "export folder --variant layer_norm --dtype f32");
    add_selection(*verb, o->selection,
                  {"variants, comma separated (default: all)", "checks (default: those of few calls)",
                   "f64, f32 (default: both)", "nchw, nhwc (default: nchw)", "train, eval (default: both)"});
    add_tier(*verb, o->tier, "smoke (the default), ci or full");
    verb->add_option("--case", o->cases, "exactly this case, as a failure printed it")->allow_extra_args(false);
    when_called(*verb, [verb, folder, o, &status] { status = run(*verb, *folder, *o); });
}

}  // namespace normlab::cli
