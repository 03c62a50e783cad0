#pragma once

#include <malloc.h>
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

/// What is freed stays with the process, for the next case: to get it anew from the system takes longer than most calls
/// of a layer.
inline void keep_freed_memory() {
    mallopt(M_MMAP_THRESHOLD, 1 << 25);  // as large as it may be
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
}

}  // namespace normlab::system
