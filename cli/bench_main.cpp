#include "cli/commands.hpp"

int main(int argc, char** argv) { return normlab::cli::run_program(argc, argv, normlab::cli::add_bench); }
