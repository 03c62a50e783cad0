#pragma once
// Ctrl-C and SIGTERM: the first asks for what is done so far, the second ends the program at once.

#include <stdexcept>

namespace normlab::system {

/// From now on the first SIGINT or SIGTERM is noted, and said on standard error with `note`, a line; one that comes
/// later than at once ends the program as if it had not been caught.
void catch_interrupts(const char* note);

/// The signal that came, or 0.
int interrupted();

/// The exit status that shells give to a program that a signal ended: 130, 143.
int interrupted_status();

/// Thrown out of what waits for another process, once a signal has come.
struct Interrupted : std::runtime_error {
    Interrupted() : std::runtime_error("interrupted") {}
};

}  // namespace normlab::system
