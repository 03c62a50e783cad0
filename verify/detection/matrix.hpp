#pragma once
// The fault matrix: which check catches each planted fault, after how many cases, and what others' rules say of it.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "verify/faults/fault.hpp"
#include "verify/run/outcome.hpp"
#include "verify/run/plan.hpp"

namespace normlab::verify::faults {

struct MatrixOptions {
    std::filesystem::path plugin;   ///< faulty.so
    Selection selection;            ///< of the cases; implementations are not looked at
    std::vector<std::string> only;  ///< names of faults; empty: all
    bool all = false;               ///< go on after the first FAIL
    int threads = 1;
    /// that a case may take; none of the faults is an endless loop, so a busy machine gets time
    double seconds = 60;
};

/// What happened to one fault.
struct Row {
    const Fault* fault = nullptr;
    std::size_t cases = 0;  ///< run, up to and with the one that caught it
    bool caught = false;
    Outcome outcome;                                          ///< of that case
    Finding finding;                                          ///< its first FAIL
    std::vector<std::pair<std::string, std::size_t>> checks;  ///< with `all`: those that FAIL, and in how many cases
    struct Tally {
        std::size_t cases = 0, failed = 0;
    };
    std::map<std::string, Tally> variants;  ///< of the cases run, with `all` of all
    /// the note of the first FAIL of accuracy or running_stats names the fault, perhaps among others
    bool named = false;
    std::vector<bool> rivals;  ///< which of rivals() find it
};

struct Matrix {
    std::vector<Row> rows;
    std::size_t right_cases = 0;        ///< the same cases, run by the layer without a fault
    std::vector<Outcome> false_alarms;  ///< what FAILed there
    std::vector<Outcome> unresolved;    ///< what is UNRESOLVED there and does not FAIL: nothing was said of it
    std::size_t not_walked = 0;         ///< faults that a signal kept from being walked to the end
    std::size_t not_run = 0;            ///< likewise cases of the layer without a fault
    std::vector<bool> rival_alarms;     ///< which of rivals() find something in it

    std::size_t caught() const;
    bool good() const {
        return caught() == rows.size() && false_alarms.empty() &&
               std::ranges::none_of(rival_alarms, [](bool b) { return b; });
    }
};

/// Faults that can show in no case of the selection have no row. Each other walks the cases of tier ci of the variants
/// it can show in, with statistics of the kind it can show with, smallest first (then in verify's order), in a worker
/// process of its own; then the layer without a fault runs all cases that any of them would have walked to the end.
/// Skipped cases do not count. A signal (system/interrupt.hpp) ends it: the matrix has the faults that were done.
Matrix run_matrix(const MatrixOptions& options,
                  const std::function<void(std::size_t done, std::size_t total)>& progress);

std::string matrix_text(const Matrix& matrix, const MatrixOptions& options, const std::string& command);
std::string matrix_json(const Matrix& matrix, double seconds);

/// The last line of the report.
std::string matrix_summary(const Matrix& matrix, double seconds);

}  // namespace normlab::verify::faults
