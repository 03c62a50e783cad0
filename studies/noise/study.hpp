#pragma once
// normlab study noise: exact theory of small-batch noise against Monte-Carlo through the implementations. See README.md beside this file.

#include "studies/noise/experiments.hpp"

namespace normlab::noise {

/// What was measured, and how; the criterion was written for the defaults.
struct Settings {
    std::vector<std::string> implementations;   ///< empty: all that can run here
    std::vector<std::int64_t> ms{2, 3, 4, 5, 6, 8, 16, 32, 64, 128, 256};
    std::int64_t samples = 1 << 21;             ///< values drawn for a cell
    std::uint64_t seed = 1;
    std::vector<DType> dtypes{DType::f64};
    int threads = 0;                            ///< 0: all cores. Results do not depend on it
    double alpha = 1e-3;                        ///< probability that chance alone fails any cell of the run
    bool criterion() const { return ms == Settings{}.ms && samples == Settings{}.samples && alpha == Settings{}.alpha; }
};

struct Result {
    Settings settings;
    std::vector<Cell> cells;                    ///< in the order of rows
    std::vector<RunningMean> running_means;
    double level = 0;                           ///< of one cell
    double seconds = 0;
    bool held() const;
};

/// Throws Error for settings that cannot be run: m outside 2..65535, fewer than 32 m samples, an unknown implementation or one that cannot run here, a dtype
/// other than f64 and f32. `progress(done, total)` is called from one thread.
Result run(const Settings& settings, const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace normlab::noise
