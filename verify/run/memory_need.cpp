#include "verify/run/memory_need.hpp"

namespace normlab::verify {

double bytes_needed(const Case& c) {
    // x, dy and what an implementation keeps
    if (c.tile) return 3.0 * static_cast<double>(c.shape.size()) * static_cast<double>(size_of(c.dtype));
    return 1700.0 * static_cast<double>(c.shape.size() ? c.problem().block_size() : 0) +
           400.0 * static_cast<double>(c.shape.size());
}

}  // namespace normlab::verify
