// normlab: verify | bench | study | soak | list | export | help | man | completion. Exit status 0: all held; 1: a check
// failed; 2: the call was wrong.

#include "cli/commands.hpp"

int main(int argc, char** argv) { return normlab::cli::run_program(argc, argv); }
