// normlab: verify | list. Exit status 0: all held; 1: a check failed; 2: the call was wrong.

#include <cstdio>
#include <exception>
#include <new>

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "io/error.hpp"
#include "norms/tensor.hpp"

int main(int argc, char** argv) {
    const auto wrong_call = [](const char* what) {
        std::fprintf(stderr, "normlab: %s\n", what);
        return 2;
    };
    try {
        CLI::App app("normlab: verifies normalization layers", "normlab");
        app.require_subcommand(1);
        int status = 0;
        normlab::cli::add_verify(app, status);
        normlab::cli::add_list(app, status);
        try {
            app.parse(argc, argv);
        } catch (const CLI::ParseError& e) {
            return app.exit(e) == 0 ? 0 : 2;
        }
        return status;
    } catch (const normlab::Error& e) {
        return wrong_call(e.what());
    } catch (const normlab::io::InputError& e) {
        return wrong_call(e.what());
    } catch (const std::bad_alloc&) {
        return wrong_call("not enough memory for this case; a smaller shape is accepted");
    } catch (const std::exception& e) {
        return wrong_call(e.what());
    }
}
