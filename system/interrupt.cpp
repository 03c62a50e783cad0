#include "system/interrupt.hpp"

#include <unistd.h>

#include <csignal>
#include <cstring>

#include "system/clock.hpp"

namespace normlab::system {
namespace {

volatile std::sig_atomic_t caught = 0;
double caught_at = 0;
const char* noted = "";

void note_signal(int signal) {
    constexpr double once = 0.3;  // seconds: `timeout` sends to a process and to its group, which is meant as one
    const double now = seconds_by(CLOCK_MONOTONIC);
    if (caught) {
        if (now - caught_at < once) return;
        std::signal(signal, SIG_DFL);
        std::raise(signal);  // as if it had not been caught
        return;
    }
    caught = signal, caught_at = now;
    static_cast<void>(!write(STDERR_FILENO, noted, std::strlen(noted)));
}

}  // namespace

void catch_interrupts(const char* note) {
    noted = note;
    struct sigaction action {};
    action.sa_handler = note_signal;
    sigemptyset(&action.sa_mask);
    for (const int signal : {SIGINT, SIGTERM}) {
        struct sigaction old {};
        // who started this program in the background of a script wants it to be left alone
        if (sigaction(signal, nullptr, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
    }
}

int interrupted() { return caught; }
int interrupted_status() { return 128 + caught; }

}  // namespace normlab::system
