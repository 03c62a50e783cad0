#include "cli/commands.hpp"
#include "cli/describe.hpp"

int main(int argc, char** argv) {
    return normlab::cli::run_program(argc, argv, [](CLI::App& app, int& status) {
        normlab::cli::add_bench(app, status);
        normlab::cli::add_describe(app);
    });
}
