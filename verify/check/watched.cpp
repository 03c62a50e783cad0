#include "verify/check/watched.hpp"

#include <algorithm>
#include <cstring>
#include <deque>

#include <fmt/format.h>

namespace normlab::verify {
namespace {

using Bytes = std::vector<std::byte>;

// One array between two zones. Kept on the host as well, as it should be.
class Watched {
public:
    Watched(Device device, std::string name, DType dtype, std::size_t bytes, std::size_t offset, std::uint8_t salt)
        : name_(std::move(name)), dtype_(dtype), size_(bytes), first_(zone + offset), image_(first_ + bytes + zone), memory_(device, image_.size()) {
        for (std::size_t i = 0; i < image_.size(); ++i) image_[i] = static_cast<std::byte>(salt + 37 * i);
        memory_.upload(image_);
    }
    template <class T = void>
    T* data() const { return reinterpret_cast<T*>(memory_.at(first_)); }
    const std::string& name() const { return name_; }
    Array read() const {
        Array a{name_, dtype_, Bytes(size_)};
        memory_.download(a.bytes, first_);
        return a;
    }
    void write(const Bytes& from) {
        std::ranges::copy(from, image_.begin() + static_cast<std::ptrdiff_t>(first_));
        memory_.upload(image_);
    }
    void fill(std::uint8_t byte) { write(Bytes(size_, std::byte{byte})); }

    /// What is not as it was last written; `output`: only outside the array.
    void check(bool output, Breach::Kind kind, std::string_view call, std::vector<Breach>& breaches) const {
        Bytes now(image_.size());
        memory_.download(now);
        const auto changed = [&](std::size_t begin, std::size_t end) {
            std::size_t count = 0;
            for (std::size_t i = begin; i < end; ++i) count += now[i] != image_[i];
            return count;
        };
        if (const std::size_t n = changed(0, first_)) breaches.push_back({Breach::outside, fmt::format("{}: {} wrote {} bytes before its begin", name_, call, n)});
        if (const std::size_t n = changed(first_ + size_, image_.size()))
            breaches.push_back({Breach::outside, fmt::format("{}: {} wrote {} bytes after its end", name_, call, n)});
        if (const std::size_t n = output ? 0 : changed(first_, first_ + size_))
            breaches.push_back({kind, fmt::format("{}: {} changed {} of its bytes", name_, call, n)});
    }

private:
    static constexpr std::size_t zone = 512;
    std::string name_;
    DType dtype_;
    std::size_t size_, first_;
    Bytes image_;
    Memory memory_;
};

Bytes packed(const std::vector<double>& values, DType dtype, auto place) {
    Bytes bytes(values.size() * size_of(dtype));
    for (std::size_t i = 0; i < values.size(); ++i) write_element(bytes.data(), dtype, static_cast<std::int64_t>(place(i)), values[i]);
    return bytes;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

}  // namespace

GuardedRun run_guarded(const Implementation& implementation, const Inputs<double>& in, const How& how) {
    Problem p = in.problem;
    p.device = implementation.device();
    Operation operation(p, implementation, {.threads = how.threads});
    const DType params = param_dtype(p.dtype);
    const auto size = static_cast<std::size_t>(p.shape.size()), C = static_cast<std::size_t>(p.shape.C);
    const auto blocks = static_cast<std::size_t>(p.statistics_count()), corrections = p.has_correction() ? blocks : 0;

    std::deque<Watched> all;
    const auto array = [&](std::string name, DType dtype, std::size_t count) -> Watched& {
        return all.emplace_back(p.device, std::move(name), dtype, count * size_of(dtype), (how.offset + all.size() * how.stagger) * size_of(dtype), how.poison);
    };
    Watched &x = array("x", p.dtype, size), &dy = array("dy", p.dtype, size);
    Watched &gamma = array("gamma", params, in.gamma.size()), &beta = array("beta", params, in.beta.size());
    Watched &other_y = array("y", p.dtype, size), &other_dx = array("dx", p.dtype, size);
    Watched &dgamma = array("dgamma", params, C), &dbeta = array("dbeta", params, C);
    const Saves saves = implementation.saves();
    Watched &mean = array("saved mean", DType::f64, saves.mean ? blocks : 0), &var = array("saved var", DType::f64, saves.var ? blocks : 0);
    Watched& rstd = array("saved rstd", DType::f64, saves.rstd ? blocks : 0);
    Watched &r = array("saved r", DType::f64, corrections), &d = array("saved d", DType::f64, corrections);
    Watched &running_mean = array("running mean", DType::f64, in.state.mean.size());
    Watched &running_var = array("running var", DType::f64, in.state.var.size()), &running_sigma = array("running sigma", DType::f64, in.state.sigma.size());
    Watched& opaque = all.emplace_back(p.device, "saved opaque", DType::f64, operation.opaque_bytes(), 0, how.poison);
    Watched& workspace = all.emplace_back(p.device, "workspace", DType::f64, operation.workspace_bytes(), 0, how.poison);
    Watched &y = how.in_place ? x : other_y, &dx = how.in_place ? dy : other_dx;
    operation.use_workspace(workspace.data());

    const auto element = [&](std::size_t i) { return memory_index(p, i); };
    const auto entry = [](std::size_t i) { return i; };
    const auto tensor = [&](const Watched& w) { return Tensor{w.data(), p.dtype, p.shape, p.layout, p.device}; };
    gamma.write(packed(in.gamma, params, entry)), beta.write(packed(in.beta, params, entry));
    const Affine affine{in.gamma.empty() ? nullptr : gamma.data(), in.beta.empty() ? nullptr : beta.data()};
    const SavedView saved{mean.data<double>(), var.data<double>(), rstd.data<double>(), corrections ? r.data<double>() : nullptr,
                          corrections ? d.data<double>() : nullptr, opaque.data<std::byte>()};
    const auto is_one_of = [](const Watched& w, std::initializer_list<const Watched*> some) { return std::ranges::find(some, &w) != some.end(); };
    GuardedRun out;
    const auto read = [&](std::initializer_list<const Watched*> some) {
        for (const Watched* w : some) out.results.push_back(w->read());
        for (const Watched* w : {&y, &dx})
            for (Array& a : out.results)
                if (a.name == w->name()) a.name = w == &y ? "y" : "dx";
    };

    const auto forward_elsewhere = [&] {
        const auto filled = [&](const Bytes& bytes) {
            Memory memory(p.device, bytes.size());
            memory.upload(bytes);
            return memory;
        };
        const Memory other_x = filled(packed({in.x.rbegin(), in.x.rend()}, p.dtype, element)), into = filled(Bytes(size * size_of(p.dtype)));
        const auto copied = [&](const std::vector<double>& values) { return filled(packed(values, DType::f64, entry)); };
        const Memory means = copied(in.state.mean), vars = copied(in.state.var), sigmas = copied(in.state.sigma);
        const auto doubles = [](const Memory& m) { return m.bytes() ? static_cast<double*>(m.data()) : nullptr; };
        std::int64_t others = in.state.count;
        const SavedMemory kept(operation);
        operation.forward({other_x.data(), p.dtype, p.shape, p.layout, p.device}, affine, {doubles(means), doubles(vars), doubles(sigmas), &others}, kept.view(),
                          {into.data(), p.dtype, p.shape, p.layout, p.device});
        synchronize(p.device);
    };

    std::int64_t count = 0;
    if (how.interleaved) forward_elsewhere();
    const bool keeps_state = p.spec.running != Running::none, moves_state = keeps_state && p.mode == Mode::train;
    workspace.fill(how.dirt);
    for (int call = 0; call < how.calls; ++call) {
        x.write(packed(in.x, p.dtype, element));
        running_mean.write(packed(in.state.mean, DType::f64, entry)), running_var.write(packed(in.state.var, DType::f64, entry));
        running_sigma.write(packed(in.state.sigma, DType::f64, entry));
        count = in.state.count;
        if (!how.in_place) y.fill(how.poison);
        for (Watched* w : {&mean, &var, &rstd, &r, &d, &opaque}) w->fill(how.poison);
        const StateView state{in.state.mean.empty() ? nullptr : running_mean.data<double>(), in.state.var.empty() ? nullptr : running_var.data<double>(),
                              in.state.sigma.empty() ? nullptr : running_sigma.data<double>(), &count};
        operation.forward(tensor(x), affine, keeps_state ? state : StateView{}, saved, tensor(y));
        synchronize(p.device);
        for (const Watched& w : all) {
            const bool state_array = is_one_of(w, {&running_mean, &running_var, &running_sigma});
            const bool output = is_one_of(w, {&y, &mean, &var, &rstd, &r, &d, &opaque, &workspace}) || (state_array && moves_state);
            w.check(output, state_array ? Breach::state : Breach::input, "forward", out.breaches);
        }
        if (!moves_state && count != in.state.count) out.breaches.push_back({Breach::state, fmt::format("count: forward changed {} to {}", in.state.count, count)});
    }
    read({&y, &mean, &var, &rstd, &r, &d, &opaque, &running_mean, &running_var, &running_sigma});
    out.results.push_back({"count", DType::f64, packed({static_cast<double>(count)}, DType::f64, entry)});
    if (in.dy.size() != size) return out;

    if (how.in_place) x.write(packed(in.x, p.dtype, element));
    for (Watched* w : {&mean, &var, &rstd, &r, &d, &opaque, &running_mean, &running_var, &running_sigma}) w->write(w->read().bytes);   // inputs from now on
    if (!how.in_place) y.write(y.read().bytes);
    if (how.interleaved) forward_elsewhere();
    workspace.fill(how.dirt);
    for (int call = 0; call < how.calls; ++call) {
        dy.write(packed(in.dy, p.dtype, element));
        if (!how.in_place) dx.fill(how.poison);
        dgamma.fill(how.poison), dbeta.fill(how.poison);
        operation.backward(tensor(x), tensor(dy), affine, saved, {tensor(dx), dgamma.data(), dbeta.data()});
        synchronize(p.device);
        for (const Watched& w : all)
            w.check(is_one_of(w, {&dx, &dgamma, &dbeta, &workspace}), is_one_of(w, {&running_mean, &running_var, &running_sigma}) ? Breach::state : Breach::input,
                    "backward", out.breaches);
    }
    read({&dx, &dgamma, &dbeta});
    return out;
}

std::string element_text(const Problem& p, std::size_t i) {
    const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
    return fmt::format("n={} c={} s={}", i / (C * S), i / S % C, i % S);
}

Finding none_of(std::string_view quantity, std::size_t count, std::string first) {
    return measured(quantity, static_cast<double>(count), 0, std::move(first));
}

Finding breaches_of(Breach::Kind kind, std::string_view quantity, const std::vector<Breach>& breaches) {
    std::size_t count = 0;
    std::string first;
    for (const Breach& b : breaches)
        if (b.kind == kind && count++ == 0) first = b.what;
    return none_of(quantity, count, first);
}

Finding refused(std::string_view quantity, const Problem& p, const State& before, const std::function<void(ConstTensor x, State& state, Tensor y)>& call) {
    const auto bytes = static_cast<std::size_t>(p.shape.size()) * size_of(p.dtype);
    Bytes x(bytes), y(bytes, std::byte{nan_poison});
    const Bytes y_before = y;
    State state = before;
    const auto tensor = [&](Bytes& v) { return Tensor{v.data(), p.dtype, p.shape, p.layout}; };
    try {
        call(tensor(x), state, tensor(y));
    } catch (const Error& e) {
        const bool untouched = y == y_before && state.mean == before.mean && state.var == before.var && state.sigma == before.sigma && state.count == before.count;
        Finding f = none_of(quantity, !untouched, untouched ? "" : "refused, but State or y was written");
        f.note = e.what();
        return f;
    }
    return none_of(quantity, 1, "accepted");
}

Finding same_bits(std::string_view quantity, const Problem& p, const std::vector<Array>& got, const std::vector<Array>& expected) {
    std::size_t different = 0;
    std::string first;
    if (got.size() != expected.size()) return none_of(quantity, 1, fmt::format("{} arrays where {} are expected", got.size(), expected.size()));
    for (std::size_t a = 0; a < got.size(); ++a) {
        const Array &g = got[a], &e = expected[a];
        if (g.bytes == e.bytes && g.name == e.name) continue;
        if (g.name != e.name || g.size() != e.size()) return none_of(quantity, 1, fmt::format("{} where {} is expected", g.name, e.name));
        const bool tensor = g.name == "y" || g.name == "dx";
        for (std::size_t i = 0; i < g.size(); ++i) {
            const std::size_t at = tensor ? memory_index(p, i) : i, width = size_of(g.dtype);
            if (std::memcmp(&g.bytes[at * width], &e.bytes[at * width], width) == 0 || different++ > 0) continue;
            const auto value = [&](const Array& array) { return read_element<double>(array.bytes.data(), array.dtype, static_cast<std::int64_t>(at)); };
            first = fmt::format("{} {}: {:.17g}, expected {:.17g}", g.name, tensor ? element_text(p, i) : fmt::format("[{}]", i), value(g), value(e));
        }
    }
    return none_of(quantity, different, first);
}

Finding same_values(std::string_view quantity, const Problem& p, const std::vector<double>& got, const std::vector<double>& expected) {
    if (got.size() != expected.size()) return none_of(quantity, 1, fmt::format("{} values where {} are expected", got.size(), expected.size()));
    std::size_t different = 0;
    std::string first;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (same(got[i], expected[i]) || different++ > 0) continue;
        const bool tensor = std::ssize(got) == p.shape.size() && p.shape.size() != p.shape.C;
        first = fmt::format("{}: {:.17g}, expected {:.17g}", tensor ? element_text(p, i) : fmt::format("[{}]", i), got[i], expected[i]);
    }
    return none_of(quantity, different, first);
}

}  // namespace normlab::verify
