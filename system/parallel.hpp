#pragma once
// Independent pieces of work on several threads.

#include <cstddef>
#include <functional>

namespace normlab::system {

/// Calls work(t) for t = 0 ... threads - 1 at once, work(0) on this thread whatever `threads` is. The first exception
/// is thrown again when all have ended; to stop the others is up to `work`.
void on_threads(int threads, const std::function<void(int)>& work);

/// Calls f(k) for k = 0 ... count - 1, on so many threads; `report` is called after each, never twice at once. After an
/// exception no further piece is begun, and it is thrown again when those under way have ended.
void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& f,
                 const std::function<void()>& report);

}  // namespace normlab::system
