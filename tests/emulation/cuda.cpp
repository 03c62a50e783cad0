#include "tests/emulation/cuda.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include <ucontext.h>

#include "norms/cuda/runtime.hpp"

thread_local normlab::emulation::Index threadIdx, blockIdx, blockDim, gridDim;

namespace normlab::emulation {

Order order = Order::up;

namespace {

constexpr std::size_t stack_bytes = 128 * 1024;
constexpr int warp_size = 32;

[[noreturn]] void fault(const char* what) {
    std::fprintf(stderr, "CUDA emulation: CTA %u, thread %u: %s\n", blockIdx.x, threadIdx.x, what);
    std::abort();
}

// A place to come back to. A context sets up the first arrival on a stack; after that jumps do, which cost no system
// call.
struct Place {
    ucontext_t context{};
    void* jump[5] = {};  // what the builtins want
    bool started = false;
};

// in a function of its own, as the builtins want
[[gnu::noinline, gnu::no_sanitize_address]] void jump(Place& to) { __builtin_longjmp(to.jump, 1); }

[[gnu::noinline, gnu::no_sanitize_address]] void go(Place& from, Place& to) {
    from.started = true;
    if (__builtin_setjmp(from.jump)) return;
    if (to.started) jump(to);
    setcontext(&to.context);
}

struct Fibre {
    enum class State { ready, at_barrier, ended };
    Place place;
    std::unique_ptr<char[]> stack{new char[stack_bytes]};
    State state = State::ended;
    unsigned index = 0;
    std::uint64_t shuffles = 0;
    // to the other lanes: two, since a lane may give the next before another has read the last
    double given[2] = {};
    std::uint64_t stamp[2] = {};  // which shuffle it was given in
};

// One CTA after another on one host thread.
class Cta {
public:
    void run(unsigned cta, int threads, const std::function<void()>& body) {
        while (fibres_.size() < static_cast<std::size_t>(threads)) {
            fibres_.push_back(std::make_unique<Fibre>());
            Fibre& f = *fibres_.back();
            f.index = static_cast<unsigned>(fibres_.size() - 1);
            getcontext(&f.place.context);
            f.place.context.uc_stack.ss_sp = f.stack.get();
            f.place.context.uc_stack.ss_size = stack_bytes;
            makecontext(&f.place.context, &Cta::live, 0);
        }
        body_ = &body, threads_ = threads, blockIdx.x = cta;
        for (int t = 0; t < threads; ++t) start(*fibres_[static_cast<std::size_t>(t)]);
        for (;;) {
            int ended = 0, waiting = 0;
            for (int turn = 0; turn < threads; ++turn) {
                Fibre& f = fibre(turn);
                if (f.state == Fibre::State::ready) resume(f);
                ended += f.state == Fibre::State::ended, waiting += f.state == Fibre::State::at_barrier;
            }
            if (ended == threads) return;
            if (waiting > 0 && ended > 0) fault("some threads have ended while others wait at a barrier");
            if (waiting < threads) continue;
            for (int t = 0; t < threads; ++t) fibre(t).state = Fibre::State::ready;
        }
    }
    void wait(Fibre::State state) {
        current_->state = state;
        go(current_->place, scheduler_);
    }
    double shuffle_down(double value, unsigned delta) {
        Fibre& own = *current_;
        const unsigned t = threadIdx.x;
        const std::uint64_t number = ++own.shuffles, slot = number % 2;
        own.given[slot] = value, own.stamp[slot] = number;
        wait(Fibre::State::ready);
        const Fibre& from = *fibres_[t % warp_size + delta < warp_size ? t + delta : t];
        if (from.stamp[slot] != number) fault("a lane that the shuffle reads takes no part in it");
        return from.given[slot];
    }

private:
    Fibre& fibre(int turn) {
        return *fibres_[static_cast<std::size_t>(order == Order::up ? turn : threads_ - 1 - turn)];
    }
    void start(Fibre& f) { f.state = Fibre::State::ready, f.shuffles = 0, f.stamp[0] = f.stamp[1] = 0; }
    void resume(Fibre& f) {
        current_ = &f;
        threadIdx.x = f.index;
        go(scheduler_, f.place);
    }
    static void live();  // what a fibre does: one thread after another

    std::vector<std::unique_ptr<Fibre>> fibres_;
    const std::function<void()>* body_ = nullptr;
    int threads_ = 0;
    Place scheduler_;
    Fibre* current_ = nullptr;
};

thread_local Cta cta;

void Cta::live() {
    for (;;) {
        (*cta.body_)();
        cta.wait(Fibre::State::ended);
    }
}

}  // namespace

void run(unsigned grid, int threads, const std::function<void()>& thread) {
    blockDim.x = static_cast<unsigned>(threads), gridDim.x = grid;
    for (unsigned b = 0; b < grid; ++b) cta.run(b, threads, thread);
}

void barrier() { cta.wait(Fibre::State::at_barrier); }
double shuffle_down(double value, unsigned delta) { return cta.shuffle_down(value, delta); }

}  // namespace normlab::emulation

// Device memory is host memory; everything is done when it is enqueued.
namespace normlab::cuda {

const Support& available() {
    static const Support yes;
    return yes;
}
void* allocate(std::size_t bytes) { return ::operator new (bytes, std::align_val_t{256}); }
void release(void* data) noexcept { ::operator delete (data, std::align_val_t{256}); }
void copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
void clear(void* data, std::size_t bytes, void*) { std::memset(data, 0, bytes); }
void enqueue_copy(void* to, const void* from, std::size_t bytes, void*) { std::memcpy(to, from, bytes); }
void synchronize() {}
void* new_stream() { return nullptr; }
void release_stream(void*) noexcept {}
void* new_event() { return nullptr; }
void release_event(void*) noexcept {}
void record(void*, void*) {}
double seconds_between(void*, void*) { return 0; }
DeviceInfo describe() { return {"an emulated device", 1 << 20, std::size_t{1} << 30, 1}; }

}  // namespace normlab::cuda
