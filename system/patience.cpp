#include "system/patience.hpp"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

#include <sys/wait.h>

#include <fmt/format.h>

#include "system/clock.hpp"
#include "system/proc.hpp"

namespace normlab::system {
namespace {

// Seconds that a thread has used a processor, and waited for one while others had it; nothing if it has ended.
std::optional<std::pair<double, double>> used_and_waited(const std::filesystem::path& thread) {
    std::istringstream text(proc_text(thread / "schedstat"));
    double used = 0, waited = 0;
    if (!(text >> used >> waited)) return std::nullopt;
    return std::pair{1e-9 * used, 1e-9 * waited};
}

// Whether it runs or waits for a processor now. The time that it waits is known only when it has one again.
bool is_runnable(const std::filesystem::path& thread) {
    const std::string text = proc_text(thread / "stat");
    const std::size_t name_end = text.rfind(')');  // the name may hold anything
    return name_end != std::string::npos && text.substr(name_end + 1, 2) == " R";
}

double used_by_all_threads(pid_t pid) {
    clockid_t clock;
    return clock_getcpuclockid(pid, &clock) == 0 ? seconds_by(clock) : 0;
}

}  // namespace

Patience::Patience(pid_t pid, double seconds) : pid_(pid), limit_(seconds), used_at_first_(used_by_all_threads(pid)) {}

bool Patience::lasts() {
    const Clock::time_point now = Clock::now();
    const double passed = std::chrono::duration<double>(now - looked_).count();
    if (passed < 0.1) return true;
    looked_ = now;
    elapsed_ += passed;
    if (elapsed_ > wall_) why_ = fmt::format("did not end within {:g} s", wall_);
    return why_.empty() && (pid_ < 0 || lasts_for_threads(passed));
}

double Patience::seconds() const {
    return std::max(0.0, elapsed_ + std::chrono::duration<double>(Clock::now() - looked_).count() - delayed_);
}

bool Patience::lasts_for_threads(double passed) {
    siginfo_t info{};  // what it has started may hold the connection open
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_)
        return false;
    double busiest = 0, waited = 0;
    bool runnable = false;
    for (const std::filesystem::path& thread : proc_entries(fmt::format("/proc/{}/task", pid_))) {
        const auto times = used_and_waited(thread);
        if (!times) continue;
        const auto [used, waits] = *times;
        auto& [first_used, last_waits] =
            threads_.try_emplace(thread.filename().string(), first_ ? used : 0, waits).first->second;
        busiest = std::max(busiest, used - first_used);
        runnable = runnable || is_runnable(thread);
        waited += waits - last_waits;
        last_waits = waits;
    }
    first_ = false;
    const double used = used_by_all_threads(pid_) - used_at_first_, lately = used - std::exchange(used_before_, used);
    const double without = std::max(0.0, passed - lately);
    if (!runnable) idle_ += std::max(0.0, without - waited);
    delayed_ += runnable ? without : std::clamp(waited, 0.0, without);
    const double processors = std::max(1U, std::thread::hardware_concurrency());
    if (busiest > limit_ || used > limit_ * processors)
        why_ = fmt::format("did not end within {:.3g} s of processor time", limit_);
    else if (idle_ > limit_) why_ = fmt::format("did not end: for {:.3g} s it used no processor", limit_);
    return why_.empty();
}

}  // namespace normlab::system
