#include <cstdio>
#include <exception>
#include <new>
#include <system_error>

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "cli/own_program.hpp"
#include "norms/memory.hpp"
#include "system/interrupt.hpp"

namespace normlab::cli {

int run_program(int argc, char** argv) {
    become_own_program(argc, argv);
    return run_program(argc, argv, [](CLI::App& app, int& status) {
        add_verify(app, status);
        app.add_subcommand("bench", bench_help);
        add_export(app, status);
        add_list(app, status);
        add_soak(app, status);
        app.add_subcommand("study", study_help);
        add_worker(app, status);
    });
}

int run_program(int argc, char** argv, void (*add_verbs)(CLI::App&, int&)) {
    const auto wrong_call = [](const char* what) {
        std::fprintf(stderr, "normlab: %s\n", what);
        return 2;
    };
    try {
        CLI::App app("normlab: verifies normalization layers", "normlab");
        app.require_subcommand(1);
        int status = 0;
        add_verbs(app, status);
        try {
            app.parse(argc, argv);
        } catch (const CLI::ParseError& e) {
            if (e.get_exit_code() == 0) return app.exit(e);  // --help
            return wrong_call(parse_error_text(app, e, argc, argv).c_str());
        }
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
            throw Failure("standard output: not all could be written; its disk is full, or its reader has gone");
        return status;
    } catch (const system::Interrupted&) {  // before there was anything to print
        return system::interrupted_status();
    } catch (const std::bad_alloc&) {
        return wrong_call("not enough memory for this case; a smaller shape is accepted");
    } catch (const Failure& e) {  // the call was right, the machine or an implementation failed
        std::fprintf(stderr, "normlab: %s\n", e.what());
        return 1;
    } catch (const std::system_error& e) {
        if (std::ferror(stdout)) {  // no wrong call: the disk is full
            std::fprintf(stderr, "normlab: standard output: %s\n", e.what());
            return 1;
        }
        if (e.code() != std::errc::resource_unavailable_try_again) return wrong_call(e.what());
        wrong_call("no further thread can be started here; ulimit -u and ulimit -v say how many and how much memory");
        return 1;
    } catch (const std::exception& e) {
        return wrong_call(e.what());
    }
}

}  // namespace normlab::cli
