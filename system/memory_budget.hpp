#pragma once

#include <unistd.h>

namespace normlab::system {

/// The share of a memory that a run may plan to use: the rest is left to the system and other programs.
inline constexpr double share_of_memory = 0.8;

/// How much memory a run may plan to use, in bytes: that share of what the machine has.
inline double memory_budget() {
    static const double bytes =  // every call of a layer asks
        static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
    return share_of_memory * bytes;
}

}  // namespace normlab::system
