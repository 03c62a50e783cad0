#include "verify/check/kept.hpp"

#include <array>
#include <span>

#include <fmt/format.h>

#include "norms/operation.hpp"
#include "system/process_state.hpp"
#include "verify/check/exact.hpp"

namespace normlab::verify {
namespace {

constexpr int windows = 4;

// A problem's arrays on the host, whose contents do not matter, and calls on them.
class Calls {
public:
    Calls(const Implementation& implementation, Inputs<double> in)
        : implementation_(implementation), in_(std::move(in)), p_(in_.problem), operation_(p_, implementation),
          saved_(operation_) {
        for (const std::vector<double>* v : {&in_.x, &in_.dy, &in_.x, &in_.x})
            tensors_.emplace_back(Device::host, v->size() * size_of(p_.dtype)), fill(tensors_.back(), *v, p_.dtype);
        if (p_.outputs() != p_.dtype) tensors_[2] = Memory(Device::host, in_.x.size() * size_of(p_.outputs()));
        scale_.assign(in_.scale.begin(), in_.scale.end());
        scale_.resize(static_cast<std::size_t>(p_.scale_count()));
        if (p_.spec.adds())
            for (const std::vector<double>* v : {&in_.residual, &in_.ds, &in_.residual, &in_.residual})
                sums_.emplace_back(Device::host, in_.x.size() * size_of(p_.residuals())),
                    fill(sums_.back(), *v, p_.residuals());
        for (const std::vector<double>* v : {&in_.gamma, &in_.beta, &in_.gamma, &in_.beta, &in_.tau, &in_.tau})
            channels_.emplace_back(Device::host, static_cast<std::size_t>(p_.affine_count()) * size_of(p_.params())),
                fill(channels_.back(), *v, p_.params());
    }
    void run(Operation& operation) {
        State state = in_.state;
        const auto at = [](std::vector<double>& v) { return v.empty() ? nullptr : v.data(); };
        const StateView view = p_.spec.running == Running::none
                                   ? StateView{}
                                   : StateView{at(state.mean), at(state.var), at(state.sigma), &state.count};
        const Affine affine{in_.gamma.empty() ? nullptr : channels_[0].data(),
                            in_.beta.empty() ? nullptr : channels_[1].data(),
                            in_.tau.empty() ? nullptr : channels_[4].data()};
        const bool adds = p_.spec.adds();
        Tensor y = tensor(2);
        y.dtype = p_.outputs();
        operation.forward(tensor(0), affine, view, saved_.view(), y, adds ? Added{of_sum(0), of_sum(2)} : Added{},
                          mask(), scale_.empty() ? nullptr : scale_.data());
        if (in_.dy.size() == in_.x.size())
            operation.backward(adds ? of_sum(2) : tensor(0), tensor(1), affine, saved_.view(),
                               {tensor(3), channels_[2].data(), channels_[3].data(), adds ? of_sum(3) : Tensor{},
                                in_.tau.empty() ? nullptr : channels_[5].data()},
                               in_.ds.empty() ? Tensor{} : of_sum(1), mask());
    }
    void of_one_plan() { run(operation_); }
    void of_a_new_plan() {
        Operation operation(p_, implementation_);
        run(operation);
    }

private:
    static void fill(const Memory& memory, const std::vector<double>& values, DType dtype) {
        for (std::size_t i = 0; i < values.size(); ++i)
            write_element(memory.data(), dtype, static_cast<std::int64_t>(i), values[i]);
    }
    Tensor tensor(std::size_t k) const { return {tensors_[k].data(), p_.dtype, p_.shape, p_.layout}; }
    Mask mask() const { return in_.mask.empty() ? nullptr : in_.mask.data(); }
    Tensor of_sum(std::size_t k) const { return {sums_[k].data(), p_.residuals(), p_.shape, p_.layout}; }

    const Implementation& implementation_;
    const Inputs<double> in_;
    const Problem p_;
    Operation operation_;
    SavedMemory saved_;
    std::vector<Memory> tensors_, channels_;
    std::vector<float> scale_;
    std::vector<Memory> sums_;  // with a residual: that, ds, s and d_residual
};

struct Resource {
    std::string_view name;
    std::int64_t system::Held::*held;
    std::int64_t least;  // that grows with each call, on average: less is what allocators and libraries need at times
};
constexpr std::array resources{Resource{"threads", &system::Held::threads, 1},
                               Resource{"open descriptors", &system::Held::descriptors, 1},
                               Resource{"bytes of memory", &system::Held::allocated, 8},
                               Resource{"bytes of resident memory", &system::Held::resident, 4096},
                               Resource{"bytes of mapped memory", &system::Held::mapped, 512}};  // a page in 8 calls

// AddressSanitizer keeps what was freed, so that memory grows whatever an implementation does.
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t measured_resources = 2;  // threads and descriptors
#else
constexpr std::size_t measured_resources = std::size(resources);
#endif

using Windows = std::array<system::Held, windows + 1>;

// Whether it grows in the windows after the first calls, in which whatever is kept once has been: in two of them, and
// in the second half by `least` a call, as arrays do too that double when they are full.
bool grows(const Resource& r, const Windows& held, std::int64_t calls) {
    int grown = 0;
    for (int w = 0; w < windows; ++w) grown += held[w + 1].*r.held > held[w].*r.held;
    return grown >= 2 && held[windows].*r.held - held[windows / 2].*r.held >= r.least * calls * windows / 2;
}

template <class F>
Windows measured_in_windows(int calls, F&& call) {
    Windows held;
    for (system::Held& h : held) {
        for (int k = 0; k < calls; ++k) call();
        h = system::held_now();
    }
    return held;
}

}  // namespace

Finding kept_by_calls(const Case& c, const Implementation& implementation) {
    Calls calls(implementation, draw(c));
    const int in_a_window = c.shape.size() <= 4096 ? 32 : 12;
    struct Way {
        std::string_view name;
        void (Calls::*call)();
    };
    for (const Way& way : {Way{"forward and backward of one plan keep", &Calls::of_one_plan},
                           Way{"create, forward, backward and destroy keep", &Calls::of_a_new_plan}}) {
        const auto measure = [&](int number) { return measured_in_windows(number, [&] { (calls.*way.call)(); }); };
        const Windows first = measure(in_a_window);
        for (const Resource& r : std::span(resources).first(measured_resources)) {
            if (!grows(r, first, in_a_window)) continue;
            // what libraries and allocators keep for each thread settles late: only what goes on is a leak
            const int more = 8 * in_a_window;
            if (const Windows held = measure(more); grows(r, held, more))
                return none_of(
                    "kept from call to call", 1,
                    fmt::format("{} {:.1f} {} a call, over {} calls", way.name,
                                static_cast<double>(held[windows].*r.held - held[0].*r.held) / (more * windows), r.name,
                                more * windows));
        }
    }
    return none_of("kept from call to call", 0, "");
}

}  // namespace normlab::verify
