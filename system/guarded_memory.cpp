#include "system/guarded_memory.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <utility>

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <fmt/format.h>

namespace normlab::system {
namespace {

constexpr std::size_t margin = std::size_t{1} << 20;  // bytes on each side that cannot be touched
constexpr unsigned most_noted = 4;                    // accesses of one array in one call
constexpr int most_opened = 4096;                     // pages of one array in one call
constexpr std::size_t most_retired = 64;              // arrays whose addresses stay
constexpr std::size_t most_kept = 64;                 // mappings that wait for the next array of their size,
constexpr std::size_t largest_kept = 1 << 18;         // in bytes, without the margins

// What the handler of access faults knows of an array: written while no call can touch it.
struct Slot {
    std::atomic<std::uintptr_t> begin{0}, end{0};  // with the margins; 0: free
    std::uintptr_t pages = 0, pages_end = 0, array = 0, array_end = 0;
    char name[32]{};
    const char* function = "";
    int number = 0;
    std::atomic<bool> retired{false};
    std::atomic<int> opened{0};
    std::atomic<bool> touched{false};  // some page that nobody may touch is open
    std::atomic<unsigned> noted{0};
    struct Note {
        std::atomic<std::uintptr_t> at{0};  // 0: not yet whole
        std::atomic<bool> written{false};
    } notes[most_noted];
};

Slot slots[4096];
std::atomic<std::size_t> slots_used{0};
struct sigaction earlier_action[NSIG];
std::uintptr_t page = 4096;
std::atomic<const char*> current_function{""};
std::atomic<int> current_number{0};
bool guards_all = false;

std::mutex lock;  // of what follows
std::vector<std::size_t> free_slots;
std::deque<std::size_t> retired_slots;
std::deque<std::pair<std::byte*, std::size_t>> kept;  // mappings that cannot be touched, and their bytes
std::vector<Access> untold;
std::uint64_t calls = 0;
std::uint64_t calls_before = 0;

// --- the handler: no locks, no allocation ----------------------------------------------------------------------------

bool is_write([[maybe_unused]] const void* context) {
#if defined(__x86_64__)
    return (static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & 2) != 0;
#else
    return false;
#endif
}

// Notes what was touched and opens its page; false: it belongs to no array.
bool opened(std::uintptr_t at, bool written) {
    for (std::size_t k = 0; k < slots_used; ++k) {
        Slot& s = slots[k];
        if (at < s.begin || at >= s.end) continue;
        s.touched = true;
        if (s.opened++ >= most_opened) return false;
        if (const unsigned n = s.noted++; n < most_noted) s.notes[n].written = written, s.notes[n].at = at;
        const std::uintptr_t first = at / page * page;
        if (mprotect(reinterpret_cast<void*>(first), page, PROT_READ | PROT_WRITE) != 0) return false;
        if (s.retired || first < s.pages || first >= s.pages_end)  // NaN in every dtype: a value that is used shows
            std::memset(reinterpret_cast<void*>(first), 0xff, page);
        return true;
    }
    return false;
}

// Quoted when the process has died of it.
void say_where(std::uintptr_t at, bool refused) {
    char text[200] = "access to address 0x", *to = text + std::strlen(text);
    const auto append = [&](const char* s) {
        while (*s && to < text + sizeof text - 20) *to++ = *s++;
    };
    for (int shift = (std::bit_width(at | 1) - 1) / 4 * 4; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[at >> shift & 15];
    append(refused ? " or one that the processor does not name (a vector that is not aligned?), in "
                   : ", near no array, in ");
    append(current_function);
    append(", call ");
    char digits[12], *d = digits + sizeof digits;
    *--d = 0;
    for (int n = current_number; n > 0 || !*d; n /= 10) *--d = static_cast<char>('0' + n % 10);
    append(d);
    *to++ = '\n';
    static_cast<void>(!write(STDERR_FILENO, text, static_cast<std::size_t>(to - text)));
}

void on_access_fault(int signal, siginfo_t* info, void* context) {
    const int error = errno;
    const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
    if (info->si_code <= 0 || !opened(at, is_write(context))) {  // sent by somebody, or none of ours
        if (guards_all && info->si_code > 0) say_where(at, info->si_code == SI_KERNEL);
        sigaction(signal, &earlier_action[signal], nullptr);
        if (info->si_code <= 0) raise(signal);
    }  // otherwise it happens again on return, as if nobody had looked
    errno = error;
}

// --- arrays ----------------------------------------------------------------------------------------------------------

void handle_access_faults() {
    static bool handled = false;
    if (std::exchange(handled, true)) return;
    page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    for (const int signal : {SIGSEGV, SIGBUS}) {
        struct sigaction action {};
        action.sa_sigaction = on_access_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        sigaction(signal, &action, &earlier_action[signal]);
    }
}

std::byte* reserved(std::size_t bytes, void* where = nullptr) {
    void* p =
        mmap(where, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (where ? MAP_FIXED : 0), -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    return static_cast<std::byte*>(p);
}

Access access_of(const Slot& s, std::uintptr_t at, bool written) {
    const std::string call = s.number == 0 ? "an earlier call" : fmt::format("{} (call {})", s.function, s.number);
    const char* did = written ? "wrote" : "read";
    if (s.retired)
        return {Access::given_back, written,
                fmt::format("an array was {} after its call had ended: {} of {}", written ? "written" : "read", s.name,
                            call)};
    if (at < s.array)
        return {Access::before_begin, written,
                fmt::format("{}: {} {} byte {} before its begin", s.name, call, did, s.array - at)};
    if (at >= s.array_end)
        return {Access::after_end, written,
                fmt::format("{}: {} {} byte {} after its end", s.name, call, did, at - s.array_end + 1)};
    return {Access::inside, written, fmt::format("{}: {} wrote byte {} of it, an input", s.name, call, at - s.array)};
}

std::vector<Access> taken(Slot& s) {
    std::vector<Access> all;
    for (Slot::Note& n : s.notes)
        if (const std::uintptr_t at = n.at.exchange(0)) all.push_back(access_of(s, at, n.written));
    s.noted = 0, s.opened = 0;
    return all;
}

// One of so many bytes: mapping memory and giving it back costs more than most calls of a layer.
std::byte* kept_mapping(std::size_t bytes) {
    const std::lock_guard guard(lock);
    const auto found = std::ranges::find(kept, bytes, &std::pair<std::byte*, std::size_t>::second);
    if (found == kept.end()) return nullptr;
    std::byte* all = found->first;
    kept.erase(found);
    return all;
}

void give_back(std::byte* all, std::size_t bytes, bool touched) {
    if (touched || bytes > largest_kept + 2 * margin) {
        munmap(all, bytes);
        return;
    }
    kept.emplace_back(all, bytes);
    if (kept.size() <= most_kept) return;
    munmap(kept.front().first, kept.front().second);
    kept.pop_front();
}

void keep(const std::vector<Access>& accesses) { untold.insert(untold.end(), accesses.begin(), accesses.end()); }

std::size_t new_slot() {
    const std::lock_guard guard(lock);
    handle_access_faults();
    if (free_slots.empty()) {
        if (slots_used == std::size(slots)) throw std::bad_alloc();
        free_slots.push_back(slots_used++);
    }
    const std::size_t slot = free_slots.back();
    free_slots.pop_back();
    return slot;
}

}  // namespace

GuardedMemory::GuardedMemory(std::string_view name, std::size_t bytes, std::size_t alignment, Edge edge,
                             std::byte filler)
    : slot_(new_slot()) {
    const auto up = [](std::size_t n, std::size_t to) { return (n + to - 1) / to * to; };
    pages_bytes_ = up(bytes, page);
    all_bytes_ = pages_bytes_ + 2 * margin;
    try {
        all_ = kept_mapping(all_bytes_);
        const bool fresh = !all_;
        if (fresh) all_ = reserved(all_bytes_);
        pages_ = all_ + margin;
        if (pages_bytes_ > 0 && mprotect(pages_, pages_bytes_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
        if (!fresh) std::fill_n(pages_, pages_bytes_, std::byte{});
    } catch (const std::bad_alloc&) {
        const std::lock_guard guard(lock);
        free_slots.push_back(slot_);
        if (all_) munmap(all_, all_bytes_);
        throw;
    }
    if (edge == Edge::end) first_ = (pages_bytes_ - bytes) / alignment * alignment;
    std::fill_n(pages_, first_, filler);
    std::fill_n(data() + bytes, pages_bytes_ - first_ - bytes, filler);
    Slot& s = slots[slot_];
    const auto address = [](const std::byte* p) { return reinterpret_cast<std::uintptr_t>(p); };
    s.pages = address(pages_), s.pages_end = address(pages_ + pages_bytes_);
    s.array = address(data()), s.array_end = s.array + bytes;
    s.name[name.copy(s.name, sizeof s.name - 1)] = 0;
    s.function = "", s.number = 0;
    s.retired = false, s.touched = false, s.opened = 0, s.noted = 0;
    s.begin = address(all_), s.end = address(all_ + all_bytes_);
}

GuardedMemory::~GuardedMemory() {
    const std::lock_guard guard(lock);
    Slot& s = slots[slot_];
    keep(taken(s));
    s.retired = true;
    if (s.touched.exchange(false) || pages_bytes_ > largest_kept) reserved(all_bytes_, all_);  // takes no memory
    else if (pages_bytes_ > 0) mprotect(pages_, pages_bytes_, PROT_NONE);
    retired_slots.push_back(slot_);
    if (retired_slots.size() <= most_retired) return;
    Slot& oldest = slots[retired_slots.front()];
    keep(taken(oldest));
    const std::uintptr_t begin = oldest.begin.exchange(0), end = oldest.end.exchange(0);
    give_back(reinterpret_cast<std::byte*>(begin), end - begin, oldest.touched);
    free_slots.push_back(retired_slots.front());
    retired_slots.pop_front();
}

void GuardedMemory::enter(const char* function, int number, bool read_only) {
    current_function = function, current_number = number;
    slots[slot_].function = function, slots[slot_].number = number;
    if (read_only != read_only_ && pages_bytes_ > 0)
        mprotect(pages_, pages_bytes_, read_only ? PROT_READ : PROT_READ | PROT_WRITE);
    read_only_ = read_only;
}

std::vector<Access> GuardedMemory::leave() {
    Slot& s = slots[slot_];
    if (s.touched.exchange(false)) reserved(margin, all_), reserved(margin, pages_ + pages_bytes_);
    if (read_only_ && pages_bytes_ > 0) mprotect(pages_, pages_bytes_, PROT_READ | PROT_WRITE);
    read_only_ = false;
    return taken(s);
}

void guard_all_calls() {
    handle_access_faults();
    guards_all = true;
}
bool all_calls_guarded() { return guards_all; }

UnguardedCalls::UnguardedCalls() : guarded_(std::exchange(guards_all, false)) {}
UnguardedCalls::~UnguardedCalls() { guards_all = guarded_; }

void begin_guarded_case(std::uint64_t number) { calls = 0, calls_before = number; }

GuardedCall next_guarded_call() {
    const bool odd =
        std::popcount(calls_before + calls) % 2 == 1;  // no rhythm that forward and backward could fall into
    ++calls;
    return {static_cast<int>(calls), odd ? GuardedMemory::Edge::begin : GuardedMemory::Edge::end};
}

std::vector<Access> take_accesses() {
    const std::lock_guard guard(lock);
    for (const std::size_t slot : retired_slots) keep(taken(slots[slot]));
    return std::exchange(untold, {});
}

}  // namespace normlab::system
