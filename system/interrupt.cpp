#include "system/interrupt.hpp"

#include <unistd.h>

#include <csignal>
#include <cstring>

namespace normlab::system {
namespace {

volatile std::sig_atomic_t caught = 0;
const char* noted = "";

void note_signal(int signal) {
    caught = signal;
    static_cast<void>(!write(STDERR_FILENO, noted, std::strlen(noted)));
}

}  // namespace

void catch_interrupts(const char* note) {
    noted = note;
    struct sigaction action {};
    action.sa_handler = note_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second ends the program
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
