// normlab: verify | bench | export | list | soak | study.

#include "cli/commands.hpp"
#include "cli/own_program.hpp"
#include "cli/program.hpp"

int main(int argc, char** argv) {
    using namespace normlab::cli;
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
