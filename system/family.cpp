#include "system/family.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>
#include <utility>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "system/proc.hpp"

namespace normlab::system {

void end_family(const std::string& family) {
    bool found = true;
    for (int tries = 0; found && tries < 8; ++tries) {  // they may be starting others
        if (std::exchange(found, false) && tries > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        for (const std::filesystem::path& entry : proc_entries("/proc")) {
            const pid_t pid = std::atoi(entry.filename().c_str());
            if (pid <= 0 || pid == getpid()) continue;
            if (('\0' + proc_text(entry / "environ")).find('\0' + family + '\0') != std::string::npos)
                found |= kill(pid, SIGKILL) == 0;
        }
    }
}

void end_own_family() {
    if (const char* own = std::getenv(family_name)) end_family(fmt::format("{}={}", family_name, own));
}

void adopt_grandchildren() { prctl(PR_SET_CHILD_SUBREAPER, 1); }

void end_children() {
    siginfo_t info{};
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0) {  // until there are none
        bool found = false;
        for (const std::filesystem::path& thread : proc_entries("/proc/self/task")) {
            std::istringstream children(proc_text(thread / "children"));
            for (pid_t child = 0; children >> child;) found |= kill(child, SIGKILL) == 0;
        }
        if (!found) end_own_family();  // a system that lists no children
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
}

}  // namespace normlab::system
