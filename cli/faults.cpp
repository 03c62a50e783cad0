#include "cli/faults.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/plugins.hpp"
#include "cli/progress.hpp"
#include "io/atomic_file.hpp"
#include "system/interrupt.hpp"
#include "verify/detection/matrix.hpp"

namespace normlab::cli {

int run_faults(const VerifyOptions& o) {
    const std::vector<Companion> known = companions();
    const auto faulty = std::ranges::find(known, "faulty", &Companion::name);
    if (faulty == known.end())
        throw Error("no lib/normlab/faulty.so beside the program: it is built and installed along with it");
    verify::faults::MatrixOptions options{faulty->plugin.file, o.selection, o.only, o.all, o.threads};
    options.seconds = o.timeout.value_or(options.seconds);
    const auto start = std::chrono::steady_clock::now();
    Progress progress("faults");
    const auto show = [&](std::size_t done, std::size_t total) { progress.show(done, total); };
    const verify::faults::Matrix matrix = verify::faults::run_matrix(options, show);
    progress.clear();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    print(fmt::format("{}{}\n", verify::faults::matrix_text(matrix, options, command_name()),
                      verify::faults::matrix_summary(matrix, seconds)));
    std::fflush(stdout);
    if (!o.json.empty()) io::write_atomically(o.json, verify::faults::matrix_json(matrix, seconds));
    if (system::interrupted()) return system::interrupted_status();
    return matrix.good() ? 0 : 1;
}

}  // namespace normlab::cli
