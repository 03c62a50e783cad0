#pragma once
// What can be said of a device, and whether something can be done there.

#include <cstddef>
#include <string>

namespace normlab {

/// Yes, or the reason why not.
struct Support {
    std::string reason;  ///< empty: supported
    explicit operator bool() const { return reason.empty(); }
};

/// What a CUDA device calls itself ("NVIDIA H200"), its last cache, free memory, its multiprocessors.
struct DeviceInfo {
    std::string name;
    std::size_t last_cache_bytes = 0, free_bytes = 0;
    int multiprocessors = 0;
};

}  // namespace normlab
