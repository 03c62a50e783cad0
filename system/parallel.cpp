#include "system/parallel.hpp"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace normlab::system {

void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& f,
                 const std::function<void()>& report) {
    std::atomic<std::size_t> next = 0;
    std::exception_ptr error;
    std::mutex lock;
    const auto work = [&] {
        for (std::size_t k; (k = next++) < count;) {
            try {
                f(k);
            } catch (...) {
                const std::lock_guard guard(lock);
                error = std::current_exception();
                next = count;
            }
            const std::lock_guard guard(lock);
            report();
        }
    };
    {
        std::vector<std::jthread> helpers;
        for (int t = 1; t < threads; ++t) helpers.emplace_back(work);
        work();
    }
    if (error) std::rethrow_exception(error);
}

}  // namespace normlab::system
