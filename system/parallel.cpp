#include "system/parallel.hpp"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace normlab::system {

void on_threads(int threads, const std::function<void(int)>& work) {
    std::exception_ptr error;
    std::mutex lock;
    const auto guarded = [&](int t) {
        try {
            work(t);
        } catch (...) {
            const std::lock_guard guard(lock);
            if (!error) error = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> helpers;
        for (int t = 1; t < threads; ++t) helpers.emplace_back(guarded, t);
        guarded(0);
    }
    if (error) std::rethrow_exception(error);
}

void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& f,
                 const std::function<void()>& report) {
    std::atomic<std::size_t> next = 0;
    std::mutex lock;
    on_threads(threads, [&](int) {
        for (std::size_t k; (k = next++) < count;) {
            try {
                f(k);
            } catch (...) {
                next = count;
                throw;
            }
            const std::lock_guard guard(lock);
            report();
        }
    });
}

}  // namespace normlab::system
