#include "cli/own_program.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string_view>

#include <unistd.h>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "system/process.hpp"

namespace normlab::cli {
namespace {

constexpr std::string_view own_programs[] = {"bench", "study"};

std::string what_it_does(std::string_view verb) {
    if (verb == "bench") return bench_help;
    return std::string(study_help) + "\nThe studies are: " NORMLAB_STUDIES;
}

}  // namespace

bool is_own_program(const std::string& verb) { return std::ranges::find(own_programs, verb) != std::end(own_programs); }

std::string own_program(const std::string& verb) { return system::this_program() + "-" + verb; }

void become_own_program(int argc, char** argv) {
    if (argc < 2 || !is_own_program(argv[1])) return;
    const std::string verb = argv[1], program = own_program(verb);
    execv(program.c_str(), argv);
    const std::string how = fmt::format(
        "normlab: {0} is a program of its own, {1}, which cannot be run ({2}). In normlab's source tree, ./dev {0} "
        "builds "
        "and runs it, as the target normlab-{0} of CMake does; an installed normlab has it where that target was "
        "built.\n",
        verb, program, std::strerror(errno));
    const bool help = std::any_of(argv + 2, argv + argc, [](const char* word) {
        return std::string_view(word) == "--help" || std::string_view(word) == "-h";
    });
    fmt::print(help ? stdout : stderr, "normlab {}: {}\n\n{}", verb, what_it_does(verb), how);
    std::exit(help ? 0 : 2);
}

}  // namespace normlab::cli
