#pragma once

#include <ctime>

namespace normlab::system {

/// Seconds by a clock of the system's, such as CLOCK_THREAD_CPUTIME_ID; 0 where there is none. A signal handler may
/// ask.
inline double seconds_by(clockid_t clock) {
    timespec t{};
    clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace normlab::system
