#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <system_error>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "cli/colour.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/option_values.hpp"
#include "cli/own_program.hpp"
#include "cli/plugins.hpp"
#include "io/error.hpp"
#include "norms/memory.hpp"
#include "system/interrupt.hpp"
#include "system/process.hpp"
#include "system/version.hpp"

namespace normlab::cli {

namespace {

int complain(const std::string& what, int status) {
    fmt::print(stderr, "{}: {}\n", has_colour(stderr) ? "\033[1;31mnormlab\033[0m" : "normlab", what);
    return status;
}

// "normlab 0.1.0 (commit 0123456789ab)", and a line for each thing that a bug report should say.
std::string version_text() {
    const std::string program = std::filesystem::path(system::this_program()).filename().string();
    std::string text = fmt::format("{} {} (commit {})\ncompiler  {}\nbuild     {}\n", program, system::version(),
                                   system::commit(), system::compiler(), system::build_type());
    for (const auto& [part, state] : system::optional_parts()) text += fmt::format("{:<9} {}\n", part, state);
    std::string names;
    for (const Companion& peer : peers()) names += (names.empty() ? "" : ", ") + peer.name;
    return text + fmt::format("peers     {}",
                              names.empty()
                                  ? "absent: Debian package normlab-peers; from source, ./dev setup --peers and a build"
                                  : names);
}

// `help VERB` is VERB --help.
std::vector<char*> without_help_verb(int argc, char** argv) {
    static char help[] = "--help";
    std::vector<char*> call(argv, argv + argc);
    if (argc > 1 && std::string_view(argv[1]) == "help") {
        call.erase(call.begin() + 1);
        call.push_back(help);
    }
    call.push_back(nullptr);
    return call;
}

// CLI11 shows the program's help although a word before --help is no verb.
bool names_verbs(const CLI::App& app, const std::vector<char*>& call) {
    const CLI::App* at = &app;
    for (std::size_t i = 1; call[i] && *call[i] != '-' && !at->get_subcommands({}).empty(); ++i) {
        const auto verbs = at->get_subcommands({});
        const auto found = std::ranges::find(verbs, call[i], &CLI::App::get_name);
        if (found == verbs.end()) return false;
        at = *found;
    }
    return true;
}

}  // namespace

// As the pages call what CLI11 calls subcommands; those that are for the program itself have no group.
static void name_verbs(CLI::App& app, const std::string& one, const std::string& all) {
    const auto formatter = std::make_shared<CLI::Formatter>();
    formatter->label("SUBCOMMAND", one);
    app.formatter(formatter);
    for (CLI::App* verb : app.get_subcommands({})) {
        if (!verb->get_group().empty()) verb->group(all);
        if (!verb->get_subcommands({}).empty()) name_verbs(*verb, "NAME", "Names");
    }
}

int run_program(int argc, char** argv) {
    std::vector<char*> call = without_help_verb(argc, argv);
    become_own_program(argc, call.data());
    return run_program(argc, argv, [](CLI::App& app, int& status) {
        add_verify(app, status);
        app.add_subcommand("bench", bench_help);
        add_export(app, status);
        add_list(app, status);
        add_soak(app, status);
        app.add_subcommand("study", study_help);
        add_pages(app);
        add_worker(app, status);
    });
}

int run_program(int argc, char** argv, void (*add_verbs)(CLI::App&, int&)) {
    try {
        const std::vector<char*> call = without_help_verb(argc, argv);
        system::utc_time();  // a wrong SOURCE_DATE_EPOCH is known now
        CLI::App app("normlab: verifies normalization layers", "normlab");
        app.set_version_flag("--version", version_text, "print version, commit, compiler and what was built along");
        app.require_subcommand(1);
        int status = 0;
        add_verbs(app, status);
        name_option_values(app);
        name_verbs(app, "VERB", "Verbs");
        try {
            refuse_empty_elements(app, call);
            app.parse(argc, call.data());
        } catch (const CLI::ParseError& e) {
            if (e.get_exit_code() == 0 && names_verbs(app, call)) return app.exit(e);  // --help, --version
            return complain(parse_error_text(app, e, argc, const_cast<char**>(call.data())), 2);
        }
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
            throw Failure("standard output: not all could be written; its disk is full, or its reader has gone");
        return status;
    } catch (const system::Interrupted&) {  // before there was anything to print
        return system::interrupted_status();
    } catch (const std::bad_alloc&) {
        return complain("not enough memory for this case; a smaller shape is accepted", 2);
    } catch (const Failure& e) {  // the call was right, the machine or an implementation failed
        return complain(e.what(), 1);
    } catch (const io::OutputError& e) {
        return complain(e.what(), 1);
    } catch (const std::system_error& e) {
        // no wrong call: the disk is full
        if (std::ferror(stdout)) return complain(fmt::format("standard output: {}", e.what()), 1);
        if (e.code() != std::errc::resource_unavailable_try_again) return complain(e.what(), 2);
        return complain(
            "no further thread can be started here; ulimit -u and ulimit -v say how many and how much memory", 1);
    } catch (const std::exception& e) {
        return complain(e.what(), 2);
    }
}

}  // namespace normlab::cli
