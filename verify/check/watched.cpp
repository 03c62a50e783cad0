#include "verify/check/watched.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <span>

#include <fmt/format.h>

#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

using Bytes = std::vector<std::byte>;

// One array between two zones, or in guarded memory. Kept on the host as well, as it should be.
class Watched {
public:
    Watched(Device device, std::string name, DType dtype, std::size_t bytes, std::size_t alignment, std::size_t offset,
            const How& how)
        : name_(std::move(name)), dtype_(dtype), size_(bytes), first_(zone + offset) {
        if (how.edge && device == Device::host) {
            guarded_ = std::make_unique<system::GuardedMemory>(name_, bytes, alignment, *how.edge, std::byte{});
            first_ = guarded_->first();
            image_.resize(guarded_->pages_bytes());
        } else {
            image_.resize(first_ + bytes + zone);
            memory_ = Memory(device, image_.size());
        }
        for (std::size_t i = 0; i < image_.size(); ++i) image_[i] = static_cast<std::byte>(how.poison + 37 * i);
        upload();
    }
    template <class T = void>
    T* data() const {
        return reinterpret_cast<T*>(guarded_ ? guarded_->data() : memory_.at(first_));
    }
    const std::string& name() const { return name_; }
    Array read() const {
        Array a{name_, dtype_, Bytes(size_)};
        download(a.bytes, first_);
        return a;
    }
    void write(const Bytes& from) {
        std::ranges::copy(from, image_.begin() + static_cast<std::ptrdiff_t>(first_));
        upload();
    }
    void fill(std::uint8_t byte) { write(Bytes(size_, std::byte{byte})); }
    void enter(const char* function, int call, bool read_only) {
        if (guarded_) guarded_->enter(function, call, read_only);
    }

    /// What is not as it was last written; `output`: only outside the array.
    void check(bool output, Breach::Kind kind, std::string_view call, std::vector<Breach>& breaches) const {
        const auto accesses = guarded_ ? guarded_->leave() : std::vector<system::Access>{};
        Bytes now(image_.size());
        download(now, 0);
        const auto changed = [&](std::size_t begin, std::size_t end) {
            std::size_t count = 0;
            if (end > begin && std::memcmp(now.data() + begin, image_.data() + begin, end - begin) != 0)
                for (std::size_t i = begin; i < end; ++i) count += now[i] != image_[i];
            return count;
        };
        if (const std::size_t n = changed(0, first_))
            breaches.push_back(
                {Breach::outside, fmt::format("{}: {} wrote {} bytes before its begin", name_, call, n)});
        if (const std::size_t n = changed(first_ + size_, image_.size()))
            breaches.push_back({Breach::outside, fmt::format("{}: {} wrote {} bytes after its end", name_, call, n)});
        if (const std::size_t n = output ? 0 : changed(first_, first_ + size_))
            breaches.push_back({kind, fmt::format("{}: {} changed {} of its bytes", name_, call, n)});
        else
            for (const system::Access& a : accesses)
                breaches.push_back(
                    {a.where == system::Access::inside ? kind
                     : a.written                       ? Breach::outside
                                                       : Breach::read,
                     a.text + (a.where == system::Access::inside ? ", and put back what was there" : "")});
    }

private:
    void upload() {
        if (guarded_) std::ranges::copy(image_, guarded_->pages());
        else memory_.upload(image_);
    }
    void download(Bytes& to, std::size_t from) const {
        if (guarded_) std::copy_n(guarded_->pages() + from, to.size(), to.begin());
        else memory_.download(to, from);
    }

    static constexpr std::size_t zone = 512;
    std::string name_;
    DType dtype_;
    std::size_t size_, first_;
    Bytes image_;
    Memory memory_;
    std::unique_ptr<system::GuardedMemory> guarded_;  // in place of that
};

Bytes packed(const std::vector<double>& values, DType dtype, auto place) {
    Bytes bytes(values.size() * size_of(dtype));
    for (std::size_t i = 0; i < values.size(); ++i)
        write_element(bytes.data(), dtype, static_cast<std::int64_t>(place(i)), values[i]);
    return bytes;
}

// A problem's arrays, watched, and the calls on them.
class WatchedSession {
public:
    WatchedSession(const Implementation& implementation, const Inputs<double>& in, const How& how)
        : in_(in), how_(how), p_(on(implementation.device(), in.problem)),
          operation_(p_, implementation, {.threads = how.threads}), x_(array("x", p_.dtype, in.x.size())),
          dy_(array("dy", p_.dtype, in.x.size())), residual_(array("residual", p_.residuals(), in.residual.size())),
          ds_(array("ds", p_.residuals(), in.ds.size())), gamma_(array("gamma", p_.params(), in.gamma.size())),
          beta_(array("beta", p_.params(), in.beta.size())), tau_(array("tau", p_.params(), in.tau.size())),
          mask_(bytes("mask", in.mask.size(), 1)),
          scale_(array("scale", DType::f32, static_cast<std::size_t>(p_.scale_count()))),
          results_(arrays_of_results(implementation.saves())), state_(arrays_of_state()),
          opaque_(bytes("saved opaque", operation_.opaque_bytes(), 16)),
          workspace_(bytes("workspace", operation_.workspace_bytes(), 256)) {
        operation_.use_workspace(workspace_.data());
        ds_.write(tensor_bytes(in.ds, p_.residuals()));
        if (!in.scale.empty()) scale_.write(packed(in.scale, DType::f32, entry));
        gamma_.write(packed(in.gamma, p_.params(), entry)), beta_.write(packed(in.beta, p_.params(), entry));
        tau_.write(packed(in.tau, p_.params(), entry));
        mask_.write(bytes_of(in.mask));
        for (const QuantityRow& q : quantities::saved())
            if (q.is_of(p_)) saved_.*q.view = result(q.quantity).data<double>();
        saved_.opaque = opaque_.data<std::byte>();
    }

    WatchedRun run() && {
        forward();
        if (in_.dy.size() == in_.x.size()) backward();
        if (in_.twice() && operation_.supports_backward_backward()) backward_backward();
        return std::move(out_);
    }

private:
    using Arrays = std::vector<Watched*>;

    static Problem on(Device device, Problem p) {
        p.device = device;
        return p;
    }
    static std::size_t entry(std::size_t i) { return i; }
    static Bytes bytes_of(const std::vector<std::uint8_t>& mask) {
        const auto bytes = std::as_bytes(std::span(mask));
        return {bytes.begin(), bytes.end()};
    }
    // Null without a mask.
    Mask mask(const Watched& w) const { return p_.spec.masked ? w.data<std::uint8_t>() : nullptr; }
    Bytes tensor_bytes(const std::vector<double>& values, DType dtype) const {
        return packed(values, dtype, [this](std::size_t i) { return memory_index(p_, i); });
    }
    Bytes tensor_bytes(const std::vector<double>& values) const { return tensor_bytes(values, p_.dtype); }

    Watched& array(std::string name, DType dtype, std::size_t count) {
        const std::size_t width = size_of(dtype);
        return all_.emplace_back(p_.device, std::move(name), dtype, count * width, width,
                                 (how_.offset + all_.size() * how_.stagger) * width, how_);
    }
    Watched& bytes(std::string name, std::size_t count, std::size_t alignment) {
        return all_.emplace_back(p_.device, std::move(name), DType::f64, count, alignment, 0, how_);
    }

    Arrays arrays_of_results(const Saves& saves) {
        Arrays arrays;
        for (const QuantityRow& q : quantities::results()) {
            const std::size_t count =
                q.saved ? (q.is_saved(p_, saves) ? static_cast<std::size_t>(p_.statistics_count()) : 0)
                : !q.is_of(p_) || !q.output ? 0
                                            : q.count(p_);
            if (q.saved || q.output) arrays.push_back(&array(std::string(q.name), q.dtype(p_), count));
        }
        return arrays;
    }
    Arrays arrays_of_state() {
        Arrays arrays;
        for (const StateArray& a : state_arrays)
            arrays.push_back(&array(std::string(a.name), DType::f64, (in_.state.*a.values).size()));
        return arrays;
    }
    Watched& result(Quantity q) {
        if (how_.in_place && q == Quantity::y && p_.outputs() == p_.dtype) return x_;
        if (how_.in_place && q == Quantity::dx) return dy_;
        if (how_.in_place && q == Quantity::s) return residual_;
        return *results_[static_cast<std::size_t>(q)];
    }

    // All that a call may write.
    Arrays written_by_forward() {
        Arrays arrays{&result(Quantity::y)};
        for (const QuantityRow& q : quantities::saved()) arrays.push_back(&result(q.quantity));
        if (p_.spec.adds()) arrays.push_back(&result(Quantity::s));
        if (p_.spec.finds_scale()) arrays.push_back(&scale_);
        arrays.push_back(&opaque_);
        return arrays;
    }
    Arrays written_by_backward() {
        Arrays arrays{&result(Quantity::dx), &result(Quantity::dgamma), &result(Quantity::dbeta)};
        if (p_.spec.adds()) arrays.push_back(&result(Quantity::d_residual));
        if (p_.spec.thresholds()) arrays.push_back(&result(Quantity::dtau));
        return arrays;
    }

    void poison(const Arrays& arrays) {
        for (Watched* w : arrays)
            if (w != &x_ && w != &dy_ && w != &residual_) w->fill(how_.poison);
    }
    // What is the plug-in's own need not be written whole, and shows in what backward makes of it.
    void read(const Arrays& arrays) {
        for (const Watched* w : arrays) {
            if (w == &opaque_) continue;
            out_.results.push_back(w->read());
            if (w == &x_) out_.results.back().name = "y";
            if (w == &dy_) out_.results.back().name = "dx";
            if (w == &residual_) out_.results.back().name = "s";
        }
    }
    void enter(const char* function, Arrays written) {
        ++calls_;
        written.push_back(&workspace_);
        for (Watched& w : all_) w.enter(function, calls_, std::ranges::find(written, &w) == written.end());
    }
    void check(std::string_view call, Arrays written) {
        synchronize(p_.device);
        written.push_back(&workspace_);
        for (Watched& w : all_)
            w.check(std::ranges::find(written, &w) != written.end(),
                    std::ranges::find(state_, &w) != state_.end() ? Breach::state : Breach::input, call, out_.breaches);
    }

    Tensor tensor(const Watched& w) const { return Tensor{w.data(), p_.dtype, p_.shape, p_.layout, p_.device}; }
    Tensor of_y(const Watched& w) const { return Tensor{w.data(), p_.outputs(), p_.shape, p_.layout, p_.device}; }
    float* scale_in(const Watched& w) const { return p_.spec.quantizes() ? w.data<float>() : nullptr; }
    // One with a residual; null without.
    Tensor of_sum(const Watched& w) const {
        return p_.spec.adds() ? Tensor{w.data(), p_.residuals(), p_.shape, p_.layout, p_.device} : Tensor{};
    }
    Affine affine() const {
        return {in_.gamma.empty() ? nullptr : gamma_.data(), in_.beta.empty() ? nullptr : beta_.data(),
                in_.tau.empty() ? nullptr : tau_.data()};
    }

    void forward() {
        const bool keeps_state = p_.spec.running != Running::none, moves_state = keeps_state && p_.mode == Mode::train;
        const Arrays results = written_by_forward();
        Arrays written = results;
        if (moves_state) written.insert(written.end(), state_.begin(), state_.end());
        std::int64_t count = 0;
        StateView state;
        if (keeps_state) {
            state.count = &count;
            for (std::size_t k = 0; k < state_.size(); ++k)
                if (const StateArray& a = state_arrays[k]; !(in_.state.*a.values).empty())
                    state.*a.view = state_[k]->data<double>();
        }
        if (how_.interleaved) forward_elsewhere();
        workspace_.fill(how_.dirt);
        for (int call = 0; call < how_.calls; ++call) {
            x_.write(tensor_bytes(in_.x)), residual_.write(tensor_bytes(in_.residual, p_.residuals()));
            for (std::size_t k = 0; k < state_.size(); ++k)
                state_[k]->write(packed(in_.state.*state_arrays[k].values, DType::f64, entry));
            count = in_.state.count;
            poison(results);
            enter("forward", written);
            operation_.forward(tensor(x_), affine(), state, saved_, of_y(result(Quantity::y)),
                               {of_sum(residual_), of_sum(result(Quantity::s))}, mask(mask_), scale_in(scale_));
            check("forward", written);
            if (!moves_state && count != in_.state.count)
                out_.breaches.push_back(
                    {Breach::state, fmt::format("count: forward changed {} to {}", in_.state.count, count)});
        }
        read(results), read(state_);
        out_.results.push_back({"count", DType::f64, packed({static_cast<double>(count)}, DType::f64, entry)});
    }

    void backward() {
        if (how_.in_place) x_.write(tensor_bytes(in_.x));
        Arrays inputs = written_by_forward();  // from now on
        inputs.insert(inputs.end(), state_.begin(), state_.end());
        for (Watched* w : inputs)
            if (w != &x_) w->write(w->read().bytes);
        if (how_.interleaved) forward_elsewhere();
        workspace_.fill(how_.dirt);
        const Arrays results = written_by_backward();
        for (int call = 0; call < how_.calls; ++call) {
            dy_.write(tensor_bytes(in_.dy));
            poison(results);
            enter("backward", results);
            operation_.backward(
                p_.spec.adds() ? of_sum(result(Quantity::s)) : tensor(x_), tensor(dy_), affine(), saved_,
                {tensor(result(Quantity::dx)), result(Quantity::dgamma).data(), result(Quantity::dbeta).data(),
                 of_sum(result(Quantity::d_residual)), p_.spec.thresholds() ? result(Quantity::dtau).data() : nullptr},
                in_.ds.empty() ? Tensor{} : of_sum(ds_), mask(mask_));
            check("backward", results);
        }
        read(results);
    }

    void backward_backward() {
        const DType params = p_.params();
        Watched &v = array("v", p_.dtype, in_.v.size()), &u = array("u", params, in_.u.size()),
                &w = array("w", params, in_.w.size());
        v.write(tensor_bytes(in_.v)), u.write(packed(in_.u, params, entry)), w.write(packed(in_.w, params, entry));
        if (how_.in_place) x_.write(tensor_bytes(in_.x)), dy_.write(tensor_bytes(in_.dy));
        for (Watched* of : written_by_backward())  // inputs, from now on
            if (of != &dy_) of->write(of->read().bytes);
        Arrays results;
        for (const QuantityRow& q : quantities::second())
            results.push_back(&array(std::string(q.name), q.dtype(p_), q.count(p_)));
        if (how_.interleaved) forward_elsewhere();
        workspace_.fill(how_.dirt);
        for (int call = 0; call < how_.calls; ++call) {
            poison(results);
            enter("backward_backward", results);
            try {
                operation_.backward_backward(tensor(x_), tensor(dy_), affine(), saved_,
                                             {in_.v.empty() ? Tensor{} : tensor(v), in_.u.empty() ? nullptr : u.data(),
                                              in_.w.empty() ? nullptr : w.data()},
                                             {tensor(*results[0]), tensor(*results[1]), results[2]->data()});
            } catch (const Declined&) {
                return check("backward_backward", {});
            }
            check("backward_backward", results);
        }
        read(results);
    }

    // The same plan on other numbers, in other memory, which is then given back.
    void forward_elsewhere() {
        std::deque<Watched> arrays;
        const auto filled = [&](std::string name, DType dtype, const Bytes& bytes) -> Watched& {
            Watched& w = arrays.emplace_back(p_.device, std::move(name), dtype, bytes.size(), size_of(dtype), 0, how_);
            w.write(bytes);
            return w;
        };
        const Watched& x = filled("other x", p_.dtype, tensor_bytes({in_.x.rbegin(), in_.x.rend()}));
        const Watched& y = filled("other y", p_.outputs(), Bytes(in_.x.size() * size_of(p_.outputs())));
        std::int64_t count = in_.state.count;
        StateView state{.count = &count};
        for (const StateArray& a : state_arrays)
            if (const Bytes bytes = packed(in_.state.*a.values, DType::f64, entry); !bytes.empty())
                state.*a.view = filled("other " + std::string(a.name), DType::f64, bytes).template data<double>();
        const DType sums = p_.residuals();
        const Watched& residual =
            filled("other residual", sums, tensor_bytes({in_.residual.rbegin(), in_.residual.rend()}, sums));
        const Watched& s = filled("other s", sums, Bytes(in_.residual.size() * size_of(sums)));
        const Watched& other_mask = filled("other mask", DType::f64, bytes_of({in_.mask.rbegin(), in_.mask.rend()}));
        const Watched& scale = filled("other scale", DType::f32, scale_.read().bytes);
        const SavedMemory kept(operation_);
        operation_.forward(tensor(x), affine(), state, kept.view(), of_y(y), {of_sum(residual), of_sum(s)},
                           mask(other_mask), scale_in(scale));
        synchronize(p_.device);
    }

    const Inputs<double>& in_;
    const How& how_;
    Problem p_;
    Operation operation_;
    std::deque<Watched> all_;
    Watched &x_, &dy_, &residual_, &ds_, &gamma_, &beta_, &tau_, &mask_, &scale_;
    Arrays results_;  // by Quantity
    Arrays state_;    // as state_arrays
    Watched &opaque_, &workspace_;
    SavedView saved_;
    int calls_ = 0;
    WatchedRun out_;
};

}  // namespace

WatchedRun run_watched(const Implementation& implementation, const Inputs<double>& in, const How& how) {
    WatchedRun run = WatchedSession(implementation, in, how).run();
    for (const system::Access& a : system::take_accesses())
        run.breaches.push_back({a.written ? Breach::outside : Breach::read, a.text});
    return run;
}

Finding breaches_of(Breach::Kind kind, std::string_view quantity, const std::vector<Breach>& breaches) {
    std::size_t count = 0;
    std::string first;
    for (const Breach& b : breaches)
        if (b.kind == kind && count++ == 0) first = b.what;
    return none_of(quantity, count, first);
}

Finding refused(std::string_view quantity, const Problem& p, const State& before,
                const std::function<void(ConstTensor x, State& state, Tensor y)>& call) {
    const auto bytes = static_cast<std::size_t>(p.shape.size()) * size_of(p.dtype);
    Bytes x(bytes), y(bytes, std::byte{nan_poison});
    const Bytes y_before = y;
    State state = before;
    const auto tensor = [&](Bytes& v) { return Tensor{v.data(), p.dtype, p.shape, p.layout}; };
    try {
        call(tensor(x), state, tensor(y));
    } catch (const Error& e) {
        const auto is_as_before = [&](const StateArray& a) { return state.*a.values == before.*a.values; };
        const bool untouched =
            y == y_before && std::ranges::all_of(state_arrays, is_as_before) && state.count == before.count;
        Finding f = none_of(quantity, !untouched, untouched ? "" : "refused, but State or y was written");
        f.note = e.what();
        return f;
    }
    return none_of(quantity, 1, "accepted");
}

}  // namespace normlab::verify
