#pragma once
// How long another process is waited for.

#include <chrono>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include <sys/types.h>

namespace normlab::system {

class Patience {
public:
    Patience() = default;                                  ///< for ever
    explicit Patience(double seconds) : wall_(seconds) {}  ///< whatever it does
    /// Until one of its threads has used `seconds` of processor time, or all of them that much for each processor
    /// (slow), or none has used a processor, nor waited for one, for `seconds` (a hang). So a busy machine makes nobody
    /// late.
    Patience(pid_t pid, double seconds);

    /// To be asked again and again while one waits. False: it is over, or the process has ended.
    bool lasts();
    const std::string& why() const { return why_; }  ///< it is over; empty: the process has ended
    /// Waited so far, without the time that others had the processors.
    double seconds() const;

private:
    using Clock = std::chrono::steady_clock;
    bool lasts_for_threads(double passed);

    pid_t pid_ = -1;
    double limit_ = 0, wall_ = std::numeric_limits<double>::infinity();
    Clock::time_point looked_ = Clock::now();
    double elapsed_ = 0, idle_ = 0, delayed_ = 0, used_at_first_ = 0, used_before_ = 0;
    bool first_ = true;
    std::map<std::string, std::pair<double, double>> threads_;  // used when first seen, waited when last seen
    std::string why_;
};

}  // namespace normlab::system
