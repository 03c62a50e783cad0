#pragma once
// Independent pieces of work on several threads.

#include <cstddef>
#include <functional>

namespace normlab::system {

/// Calls f(k) for k = 0 ... count - 1, on so many threads; `report` is called after each, never twice at once. After an
/// exception no further piece is begun, and it is thrown again when those under way have ended.
void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& f,
                 const std::function<void()>& report);

}  // namespace normlab::system
