// normlab with one variant more, as anybody can build it: a Spec, a row, and the command line as it is. `answer DIR
// [FAULT]` plays the script of an exported folder.

#include <cstdio>
#include <string_view>

#include "cli/commands.hpp"
#include "tests/answers.hpp"
#include "tests/made_up/channel_rms_norm.hpp"
#include "verify/faults/naming.hpp"
#include "verify/faults/table.hpp"

int main(int argc, char** argv) {
    using namespace normlab;
    register_variant({"channel_rms_norm", [] { return channel_rms_norm(); },
                      "a position of a sample over channels, mean not removed"});
    if (argc < 3 || std::string_view(argv[1]) != "answer") return cli::run_program(argc, argv);
    try {
        const verify::faults::Fault* fault = argc > 3 ? &verify::faults::find(argv[3]) : nullptr;
        verify::fill_in(
            argv[2], [](const auto&, auto&) {}, true, verify::faults::implementation(fault));
        return 0;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 2;
    }
}
