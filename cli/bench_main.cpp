#include "cli/commands.hpp"
#include "cli/program.hpp"

int main(int argc, char** argv) { return normlab::cli::run_program(argc, argv, normlab::cli::add_bench); }
