#pragma once
// Where and with what a result was measured.

#include <string>
#include <utility>
#include <vector>

#include "norms/tensor.hpp"

namespace normlab::bench {

/// Last-level cache: what one core can use, and all of them together (several chiplets or sockets). 32 MiB where the
/// system does not say.
struct LastCache {
    std::size_t one = std::size_t{32} << 20, all = std::size_t{32} << 20;
};
LastCache last_cache(Device device);

/// commit, date, cpu, cores, caches, compiler, flags; gpu where there is one.
std::vector<std::pair<std::string, std::string>> machine();

}  // namespace normlab::bench
