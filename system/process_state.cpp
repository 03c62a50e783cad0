#include "system/process_state.hpp"

#include <algorithm>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "system/family.hpp"
#include "system/proc.hpp"

extern char** environ;

namespace normlab::system {
namespace state_parts {  // not without a name: Parts holds them

using Changes = std::vector<Change>;

struct FloatingPoint {
    int rounding = std::fegetround(), trapped = fegetexcept();
#if defined(__x86_64__)
    // the flags of exceptions that have been are nobody's to keep
    unsigned mxcsr = _mm_getcsr() & ~unsigned{_MM_EXCEPT_MASK};
    std::uint16_t x87 = x87_control();
    static std::uint16_t x87_control() {
        std::uint16_t word = 0;
        asm volatile("fnstcw %0" : "=m"(word));
        return word;
    }
#endif
    bool operator==(const FloatingPoint&) const = default;
};

std::string text_of(const FloatingPoint& f) {
    const std::map<int, std::string_view> names{{FE_TONEAREST, "to nearest"},
                                                {FE_UPWARD, "upward"},
                                                {FE_DOWNWARD, "downward"},
                                                {FE_TOWARDZERO, "towards zero"}};
    std::vector<std::string> parts{fmt::format("rounding {}", names.at(f.rounding))};
#if defined(__x86_64__)
    if (f.mxcsr & _MM_FLUSH_ZERO_MASK) parts.push_back("flush to zero");
    if (f.mxcsr & 0x40) parts.push_back("denormals are zero");
    parts.push_back(fmt::format("MXCSR {:#06x}", f.mxcsr)), parts.push_back(fmt::format("x87 {:#06x}", f.x87));
#endif
    if (f.trapped) parts.push_back(fmt::format("exceptions {:#x} trapped", f.trapped));
    return fmt::format("{}", fmt::join(parts, ", "));
}

void compare(const FloatingPoint& was, Changes& changes) {
    const FloatingPoint is;
    if (is == was) return;
#if defined(__x86_64__)
    _mm_setcsr(was.mxcsr);
    asm volatile("fldcw %0" : : "m"(was.x87));
#else
    fedisableexcept(FE_ALL_EXCEPT), feenableexcept(was.trapped), std::fesetround(was.rounding);
#endif
    changes.push_back({"floating-point environment", fmt::format("{}; it was: {}", text_of(is), text_of(was))});
}

struct Locale {
    std::string all = setlocale(LC_ALL, nullptr);
    locale_t of_thread = uselocale(nullptr);
};

void compare(const Locale& was, Changes& changes) {
    if (uselocale(nullptr) != was.of_thread) {
        uselocale(was.of_thread);
        changes.push_back({"locale", "that of the thread is another (uselocale)"});
    }
    if (const std::string is = setlocale(LC_ALL, nullptr); is != was.all) {
        setlocale(LC_ALL, was.all.c_str());
        changes.push_back({"locale", fmt::format("it is {}, and was {}", is, was.all)});
    }
}

using Identity = std::pair<dev_t, ino_t>;  // none: {0, 0}
Identity identity(int result, const struct stat& s) { return result == 0 ? Identity{s.st_dev, s.st_ino} : Identity{}; }
Identity here() {
    struct stat s {};
    const int result = stat(".", &s);
    return identity(result, s);
}
Identity stream(int descriptor) {
    struct stat s {};
    const int result = fstat(descriptor, &s);
    return identity(result, s);
}

struct Directory {
    Identity is = here();
    int descriptor = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    Identity streams[3]{stream(0), stream(1), stream(2)};
};

void compare(Directory& was, Changes& changes) {
    if (here() != was.is) {
        std::error_code error;
        const std::string now = std::filesystem::current_path(error).string();
        static_cast<void>(!fchdir(was.descriptor));
        changes.push_back({"current directory",
                           fmt::format("it is {}, and was {}", now, std::filesystem::current_path(error).string())});
    }
    for (int k = 0; k < 3; ++k)
        if (const Identity now = stream(k); now != was.streams[k]) {
            was.streams[k] = now;  // nobody has kept what it was
            changes.push_back({"standard streams",
                               fmt::format("descriptor {} is {}", k, now == Identity{} ? "closed" : "another file")});
        }
}

struct Signals {
    struct sigaction actions[NSIG] {};
    sigset_t mask{};
    itimerval timers[3]{};
    Signals() {
        for (int s = 1; s < NSIG; ++s) sigaction(s, nullptr, &actions[s]);
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        for (const int t : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) getitimer(t, &timers[t]);
    }
};

std::string signal_name(int s) {
    const char* name = sigabbrev_np(s);
    return name ? fmt::format("SIG{}", name) : fmt::format("signal {}", s);
}

constexpr int usual_signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGABRT, SIGBUS,  SIGFPE,
                                 SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD};

void compare(const Signals& was, ProcessState::Signals which, Changes& changes) {
    const auto handling = [](const struct sigaction& a) {
        return a.sa_handler == SIG_DFL ? "the default" : a.sa_handler == SIG_IGN ? "ignored" : "a handler";
    };
    for (int t : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
        itimerval now{};
        getitimer(t, &now);
        const auto runs = [](const itimerval& v) { return v.it_value.tv_sec != 0 || v.it_value.tv_usec != 0; };
        if (!runs(now) || runs(was.timers[t])) continue;
        setitimer(t, &was.timers[t], nullptr);
        changes.push_back(
            {"timers", fmt::format("{} is set: a signal comes in {} s",
                                   t == ITIMER_REAL ? "an alarm" : "a timer of processor time", now.it_value.tv_sec)});
    }
    for (int s = 1; s < NSIG; ++s) {
        if (which == ProcessState::Signals::usual && std::ranges::find(usual_signals, s) == std::end(usual_signals))
            continue;
        struct sigaction now {};
        if (sigaction(s, nullptr, &now) != 0) continue;
        const struct sigaction& then = was.actions[s];
        if (now.sa_handler == then.sa_handler && (now.sa_handler == SIG_DFL || now.sa_flags == then.sa_flags)) continue;
        sigaction(s, &then, nullptr);
        changes.push_back({"signal handlers",
                           fmt::format("{}: {}, and was {}", signal_name(s), handling(now),
                                       now.sa_handler == then.sa_handler ? "one with other flags" : handling(then))});
    }
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    for (int s = 1; s < NSIG; ++s)
        if (sigismember(&mask, s) != sigismember(&was.mask, s)) {
            changes.push_back({"signal mask", fmt::format("{} is {}", signal_name(s),
                                                          sigismember(&mask, s) == 1 ? "blocked" : "blocked no more")});
            pthread_sigmask(SIG_SETMASK, &was.mask, nullptr);
            break;
        }
}

struct Processors {
    cpu_set_t set{};
    // OpenMP's own threads are bound where its user asks for it, this one too
    bool bound_by_user = std::getenv("OMP_PROC_BIND") || std::getenv("OMP_PLACES") ||
                         std::getenv("GOMP_CPU_AFFINITY") || std::getenv("KMP_AFFINITY");
    Processors() { sched_getaffinity(0, sizeof set, &set); }
};

void compare(const Processors& was, Changes& changes) {
    const Processors is;
    if (was.bound_by_user || CPU_EQUAL(&is.set, &was.set)) return;
    sched_setaffinity(0, sizeof was.set, &was.set);
    changes.push_back({"processors", fmt::format("the thread is bound to {} processors, and was to {}",
                                                 CPU_COUNT(&is.set), CPU_COUNT(&was.set))});
}

struct Variables {
    std::vector<std::string> all;
    mode_t mask = umask(0);
    Variables() {
        umask(mask);
        for (char** v = environ; v && *v; ++v) all.emplace_back(*v);
    }
};

std::map<std::string, std::string> by_name(const std::vector<std::string>& variables) {
    std::map<std::string, std::string> values;
    for (const std::string& v : variables)
        // names that begin so belong to the C library and the compiler's: OpenMP runtimes leave marks there
        if (!v.starts_with("__")) values.emplace(v.substr(0, v.find('=')), v.substr(v.find('=') + 1));
    return values;
}

void compare(const Variables& was, Changes& changes) {
    const mode_t mask = umask(was.mask);
    if (mask != was.mask) changes.push_back({"umask", fmt::format("it is {:04o}, and was {:04o}", mask, was.mask)});
    std::size_t count = 0;
    bool same = true;
    for (char** v = environ; v && *v; ++v, ++count) same = same && count < was.all.size() && was.all[count] == *v;
    if (same && count == was.all.size()) return;
    const auto then = by_name(was.all), now = by_name(Variables().all);
    for (const auto& [name, value] : now)
        if (const auto old = then.find(name); old == then.end() || old->second != value) {
            const std::string before = old == then.end() ? "was not set" : fmt::format("was '{}'", old->second);
            changes.push_back({"environment variables", fmt::format("{} is '{}', and {}", name, value, before)});
            if (old == then.end()) unsetenv(name.c_str());
            else setenv(name.c_str(), old->second.c_str(), 1);
        }
    for (const auto& [name, value] : then)
        if (!now.contains(name)) {
            changes.push_back({"environment variables", fmt::format("{} is no longer set", name)});
            setenv(name.c_str(), value.c_str(), 1);
        }
}

bool has_children() {
    siginfo_t info{};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void compare_children(Changes& changes) {
    if (!has_children()) return;
    end_children();
    changes.push_back({"child processes", "one is left, and has been ended"});
}

}  // namespace state_parts

struct ProcessState::Parts {
    state_parts::FloatingPoint floating_point;
    state_parts::Locale locale;
    state_parts::Directory directory;
    state_parts::Signals signals;
    state_parts::Processors processors;
    state_parts::Variables variables;
    bool children = state_parts::has_children();
    Parts() = default;
    Parts(const Parts&) = delete;
    Parts& operator=(const Parts&) = delete;
    ~Parts() { close(directory.descriptor); }
};

ProcessState::ProcessState() : parts_(std::make_unique<Parts>()) {}
ProcessState::~ProcessState() = default;
ProcessState::ProcessState(ProcessState&&) noexcept = default;
ProcessState& ProcessState::operator=(ProcessState&&) noexcept = default;

std::vector<Change> ProcessState::put_back(Signals signals) const {
    std::vector<Change> changes;
    compare(parts_->floating_point, changes);
    compare(parts_->locale, changes);
    compare(parts_->directory, changes);
    compare(parts_->signals, signals, changes);
    compare(parts_->processors, changes);
    compare(parts_->variables, changes);
    if (!parts_->children) state_parts::compare_children(changes);
    return changes;
}

Held held_now() {
    Held held;
    const struct mallinfo2 m = mallinfo2();
    held.allocated = static_cast<std::int64_t>(m.uordblks + m.hblkhd);
    long long mapped = 0, resident = 0;
    if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
        static_cast<void>(!std::fscanf(f, "%lld %lld", &mapped, &resident));
        std::fclose(f);
    }
    held.mapped = mapped * sysconf(_SC_PAGESIZE), held.resident = resident * sysconf(_SC_PAGESIZE);
    held.descriptors = std::ssize(proc_entries("/proc/self/fd")),
    held.threads = std::ssize(proc_entries("/proc/self/task"));
    return held;
}

}  // namespace normlab::system
