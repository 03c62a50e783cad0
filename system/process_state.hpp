#pragma once
// What a function that is called leaves as it found it: of this thread its floating-point environment, signal mask and
// processors, of the process its locale, directory, signal handlers, environment variables, umask, timers, standard
// streams and children.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace normlab::system {

struct Change {
    std::string_view what;  ///< "locale"
    std::string how;        ///< "it is C.UTF-8, and was C"
};

class ProcessState {
public:
    ProcessState();  ///< as it is now, on this thread
    ~ProcessState();
    ProcessState(ProcessState&&) noexcept;
    ProcessState& operator=(ProcessState&&) noexcept;

    enum class Signals { usual, all };
    /// What is no longer so, which is put back. To ask for the handlers of all signals takes longer than everything
    /// else together: after most calls it is done for the usual ones alone.
    std::vector<Change> put_back(Signals signals = Signals::all) const;

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

/// Threads and open descriptors of this process, and bytes of memory: what is allocated, and what it has pages for.
struct Held {
    std::int64_t allocated = 0, resident = 0, mapped = 0, descriptors = 0, threads = 0;
};
Held held_now();

}  // namespace normlab::system
