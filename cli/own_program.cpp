#include "cli/own_program.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

#include <unistd.h>

#include "system/process.hpp"

namespace normlab::cli {
namespace {

constexpr std::string_view own_programs[] = {"bench", "study"};

}  // namespace

void become_own_program(int argc, char** argv) {
    if (argc < 2 || std::ranges::find(own_programs, argv[1]) == std::end(own_programs)) return;
    const std::string program = system::this_program() + "-" + argv[1];
    execv(program.c_str(), argv);
    std::fprintf(stderr, "normlab: %s cannot be run (%s); ./dev %s builds it, and the target normlab-%s of CMake\n",
                 program.c_str(), std::strerror(errno), argv[1], argv[1]);
    std::exit(2);
}

}  // namespace normlab::cli
