#include "system/proc.hpp"

#include <latch>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tests/catch.hpp"

using namespace normlab::system;

TEST_CASE("a thread that ends while /proc is read has an empty text") {
    std::latch end(1);
    pid_t id = 0;
    std::latch known(1);
    std::thread thread([&] {
        id = gettid();
        known.count_down();
        end.wait();
    });
    known.wait();
    // The open file stands for the thread even when its name is gone: reading it fails, as in the middle of a reading.
    const int open_file = open(fmt::format("/proc/self/task/{}/stat", id).c_str(), O_RDONLY | O_CLOEXEC);
    const std::string again = fmt::format("/proc/self/fd/{}", open_file);
    CHECK(proc_text(again).starts_with(fmt::format("{} (", id)));
    end.count_down();
    thread.join();
    while (access(fmt::format("/proc/self/task/{}", id).c_str(), F_OK) == 0) usleep(1000);
    CHECK(proc_text(again).empty());
    CHECK(proc_entries(fmt::format("/proc/self/task/{}", id)).empty());
    close(open_file);
}
