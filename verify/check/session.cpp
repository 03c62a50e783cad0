#include "verify/check/session.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "verify/truth/elements.hpp"

namespace normlab::verify {
namespace {

constexpr std::size_t outputs_and_saved = static_cast<std::size_t>(Quantity::d) + 1,
                      count_at = outputs_and_saved + std::size(state_arrays), scale_at = count_at + 1;

Problem on(Device device, Problem p) {
    p.device = device;
    return p;
}

const Gaps& gaps_of(const TensorGaps& gaps, Quantity q) {
    return q == Quantity::y ? gaps.y : q == Quantity::s ? gaps.x : gaps.dx;
}

bool is_kept(Quantity q) { return q > Quantity::dbeta && q != Quantity::d_residual && q != Quantity::dtau; }

}  // namespace

Session::Session(const Implementation& implementation, const Problem& problem, const Placement& placement)
    : p_(on(implementation.device(), problem)), placement_(placement),
      operation_(p_, implementation, {.threads = placement.threads}), slots_(result + outputs_and_saved) {
    const auto entries = static_cast<std::size_t>(p_.affine_count()),
               blocks = static_cast<std::size_t>(p_.statistics_count()),
               parameter_bytes = entries * size_of(p_.params());
    const std::size_t wide = placement.offset * sizeof(double), of_params = placement.offset * size_of(p_.params());
    const bool adds = p_.spec.adds();
    const DType sums = p_.residuals();
    const State kept = initial_state(p_.spec, p_.shape.C);
    const auto role_of = [](Quantity q) { return static_cast<Role>(result + static_cast<std::size_t>(q)); };

    std::size_t end = add(x, true, p_.dtype, p_.gaps.x, 0);
    end = add(dy, true, p_.dtype, p_.gaps.dy, end);
    end = add(gamma, parameter_bytes, end, of_params), end = add(beta, parameter_bytes, end, of_params);
    end = add(tau, p_.spec.thresholds() ? parameter_bytes : 0, end, of_params);
    end = add(ds, adds, sums, p_.gaps.dx, end);
    end = add(mask, p_.spec.masked ? static_cast<std::size_t>(p_.shape.N * p_.shape.S) : 0, end, placement.offset);
    end = add(scale, static_cast<std::size_t>(p_.scale_count()) * sizeof(float), end, placement.offset * sizeof(float));
    end = add(workspace, operation_.workspace_bytes(), end, 0);
    results_.resize(outputs_and_saved);
    for (const bool after_forward : {false, true}) {
        // s may lie on residual
        if (after_forward) kept_ = end, end = add(residual, adds, sums, p_.gaps.x, end);
        for (std::size_t k = 0; k < outputs_and_saved; ++k) {
            const QuantityRow& q = quantities::results()[k];
            if (is_kept(q.quantity) != after_forward) continue;
            const bool there = q.is_of(p_) && (q.output || q.is_saved(p_, implementation.saves()));
            if (q.per == Per::element)
                end = add(role_of(q.quantity), there, q.dtype(p_), gaps_of(p_.gaps, q.quantity), end);
            else
                end = add(role_of(q.quantity),
                          !there                ? 0
                          : q.per == Per::entry ? parameter_bytes
                                                : blocks * sizeof(double),
                          end, q.output ? of_params : wide);
            results_[k] = {std::string(q.name), q.dtype(p_), std::vector<std::byte>(slot(q.quantity).bytes)};
        }
    }
    end = add(opaque, operation_.opaque_bytes(), end, 0);
    for (std::size_t k = 0; k < std::size(state_arrays); ++k) {
        const std::size_t bytes = (kept.*state_arrays[k].values).size() * sizeof(double);
        end = add(static_cast<Role>(state + k), bytes, end, wide);
        results_.push_back({std::string(state_arrays[k].name), DType::f64, std::vector<std::byte>(bytes)});
    }
    results_.push_back({"count", DType::f64, std::vector<std::byte>(sizeof(double))});
    results_.push_back({"scale", DType::f32, std::vector<std::byte>(slots_[scale].bytes)});
    image_.assign(end, placement.poison);
    memory_ = Memory(p_.device, end);
    const bool on_x = placement.in_place == InPlace::y || placement.in_place == InPlace::both;
    if (on_x && p_.outputs() == p_.dtype) slot(Quantity::y) = slots_[x];
    if (slot(Quantity::y) == slots_[x]) slot(Quantity::s) = slots_[residual];
    if (placement.in_place == InPlace::dx || placement.in_place == InPlace::both) slot(Quantity::dx) = slots_[dy];
}

// The place of one array, from `begin` on; where the next may begin.
std::size_t Session::add(Role role, std::size_t bytes, std::size_t begin, std::size_t shift) {
    slots_[role] = {begin + shift, bytes};
    return (begin + shift + bytes + 255) / 256 * 256;
}

std::size_t Session::add(Role role, bool there, DType dtype, const Gaps& gaps, std::size_t begin) {
    const std::size_t bytes =
        there ? static_cast<std::size_t>(p_.tensor(nullptr, dtype, gaps).span()) * size_of(dtype) : 0;
    const std::size_t end = add(role, bytes, begin, placement_.offset * size_of(dtype));
    slots_[role].gaps = gaps;
    return end;
}

void Session::pack(const Slot& s, const std::vector<double>& values, DType dtype) {
    with_writer<double>(image_.data() + s.begin, dtype, [&](auto write) {
        for (std::size_t i = 0; i < values.size(); ++i) write(static_cast<std::int64_t>(i), values[i]);
    });
}

void Session::pack_tensor(const Slot& s, const std::vector<double>& values, DType dtype) {
    if (values.empty()) return;
    with_writer<double>(image_.data() + s.begin, dtype, [&](auto write) {
        for_elements(p_.tensor(nullptr, dtype, s.gaps), [&](std::size_t i, std::int64_t at) { write(at, values[i]); });
    });
}

void Session::write(const Inputs<double>& in) {
    const DType params = p_.params();
    pack_tensor(slots_[x], in.x, p_.dtype), pack_tensor(slots_[dy], in.dy, p_.dtype);
    pack_tensor(slots_[residual], in.residual, p_.residuals()), pack_tensor(slots_[ds], in.ds, p_.residuals());
    pack(slots_[gamma], in.gamma, params), pack(slots_[beta], in.beta, params);
    pack(slots_[tau], in.tau, params);
    std::ranges::copy(std::as_bytes(std::span(in.mask)),
                      image_.begin() + static_cast<std::ptrdiff_t>(slots_[mask].begin));
    pack(slots_[scale], in.scale, DType::f32);
    for (std::size_t k = 0; k < std::size(state_arrays); ++k)
        pack(slots_[state + k], in.state.*state_arrays[k].values, DType::f64);
    has_gamma_ = !in.gamma.empty(), has_beta_ = !in.beta.empty(), has_ds_ = !in.ds.empty();
    count_before_ = in.state.count;
}

void Session::upload(std::size_t begin, std::size_t end) {
    if (end > begin) memory_.upload(std::span(image_).subspan(begin, end - begin), begin);
}

Affine Session::affine() const {
    return {has_gamma_ ? at(slots_[gamma]) : nullptr, has_beta_ ? at(slots_[beta]) : nullptr, at(slots_[tau])};
}

SavedView Session::saved() {
    SavedView view;
    for (const QuantityRow& q : quantities::saved()) view.*q.view = static_cast<double*>(at(slot(q.quantity)));
    view.opaque = static_cast<std::byte*>(at(slots_[opaque]));
    return view;
}

void Session::forward() {
    upload(0, image_.size());
    operation_.use_workspace(at(slots_[workspace]));
    count_ = count_before_;
    StateView view;
    if (p_.spec.running != Running::none) {
        view.count = &count_;
        for (std::size_t k = 0; k < std::size(state_arrays); ++k)
            view.*state_arrays[k].view = static_cast<double*>(at(slots_[state + k]));
    }
    operation_.forward(tensor(slots_[x]), affine(), view, saved(), of_y(),
                       {of_sum(slots_[residual]), of_sum(slot(Quantity::s))}, mask_of(),
                       static_cast<float*>(at(slots_[scale])));
    synchronize(p_.device);
    fetch(scale_at, slots_[scale]);
    for (const Quantity q : {Quantity::y, Quantity::s}) fetch(static_cast<std::size_t>(q), slot(q));
    for (const QuantityRow& q : quantities::saved()) fetch(static_cast<std::size_t>(q.quantity), slot(q.quantity));
    for (std::size_t k = 0; k < std::size(state_arrays); ++k) fetch(outputs_and_saved + k, slots_[state + k]);
    write_element(results_[count_at].bytes.data(), DType::f64, 0, static_cast<double>(count_));
}

void Session::backward(Wanted wanted) {
    upload(0, kept_);
    operation_.use_workspace(at(slots_[workspace]));
    wanted_ = wanted;
    Gradients gradients{tensor(slot(Quantity::dx)), wanted.dgamma ? at(slot(Quantity::dgamma)) : nullptr,
                        wanted.dbeta ? at(slot(Quantity::dbeta)) : nullptr};
    if (!wanted.dx) gradients.dx.data = nullptr;
    if (wanted.d_residual) gradients.d_residual = of_sum(slot(Quantity::d_residual));
    if (wanted.dtau) gradients.dtau = at(slot(Quantity::dtau));
    operation_.backward(p_.spec.adds() ? of_sum(slot(Quantity::s)) : tensor(slots_[x]), tensor(slots_[dy]), affine(),
                        saved(), gradients, has_ds_ ? of_sum(slots_[ds]) : Tensor{}, mask_of());
    synchronize(p_.device);
    for (const Quantity q : {Quantity::dx, Quantity::dgamma, Quantity::dbeta, Quantity::d_residual, Quantity::dtau})
        fetch(static_cast<std::size_t>(q), slot(q));
}

std::vector<std::byte> Session::kept() const {
    std::vector<std::byte> bytes(image_.size() - kept_);
    memory_.download(bytes, kept_);
    return bytes;
}

std::size_t Session::written_between() const {
    std::vector<std::byte> now(image_.size());
    memory_.download(now, 0);
    const auto begin = [&](std::size_t at) { return now.begin() + static_cast<std::ptrdiff_t>(at); };
    const auto forget = [&](std::size_t at, std::size_t bytes) { std::fill_n(begin(at), bytes, placement_.poison); };
    for (std::size_t role = 0; role < slots_.size(); ++role) {
        const Slot& s = slots_[role];
        const bool is_tensor = role == x || role == dy || role == residual || role == ds ||
                               (role >= result && quantities::results()[role - result].per == Per::element);
        if (!is_tensor) forget(s.begin, s.bytes);
        if (!is_tensor || s.bytes == 0) continue;
        const bool of_sums =
            role == residual || role == ds || (role >= result && quantities::results()[role - result].residual);
        const bool of_y = role >= result && quantities::results()[role - result].quantity == Quantity::y;
        const DType dtype = of_sums ? p_.residuals() : of_y ? p_.outputs() : p_.dtype;
        for_elements(p_.tensor(nullptr, dtype, s.gaps), [&](std::size_t, std::int64_t at) {
            forget(s.begin + static_cast<std::size_t>(at) * size_of(dtype), size_of(dtype));
        });
    }
    return now.size() - static_cast<std::size_t>(std::ranges::count(now, placement_.poison));
}

Finding gaps_written(std::size_t bytes) {
    return none_of("gaps written", bytes,
                   bytes == 0 ? "" : fmt::format("{} bytes that belong to no element were written", bytes));
}

void Session::bring_back(const std::vector<std::byte>& kept) { memory_.upload(kept, kept_); }

void Session::exchange_addresses() {
    const auto exchange = [](Slot& a, Slot& b) {
        if (a.bytes == b.bytes) std::swap(a, b);
    };
    exchange(slots_[x], slots_[dy]), exchange(slots_[gamma], slots_[beta]), exchange(slots_[beta], slots_[tau]);
    exchange(slots_[residual], slot(Quantity::s));
    exchange(slot(Quantity::y), slot(Quantity::dx)), exchange(slot(Quantity::dgamma), slot(Quantity::dbeta));
    exchange(slot(Quantity::dbeta), slot(Quantity::dtau));
    exchange(slot(Quantity::mean), slot(Quantity::var)), exchange(slot(Quantity::r), slot(Quantity::d));
    exchange(slots_[state], slots_[state + 1]), exchange(slots_[state], slots_[state + 2]);
    std::ranges::fill(image_, placement_.poison);
}

Outputs<double> Session::outputs() const {
    Outputs<double> out;
    const auto values = [&](std::size_t k) {
        const Array& a = results_[k];
        std::vector<double> v(a.size());
        const bool tensor = k < outputs_and_saved && quantities::results()[k].per == Per::element;
        if (!tensor)
            for (std::size_t i = 0; i < v.size(); ++i)
                v[i] = read_element<double>(a.bytes.data(), a.dtype, static_cast<std::int64_t>(i));
        if (!tensor || v.empty()) return v;
        v.resize(static_cast<std::size_t>(p_.shape.size()));
        for_elements(p_.tensor(nullptr, a.dtype, slots_[result + k].gaps),
                     [&](std::size_t i, std::int64_t at) { v[i] = read_element<double>(a.bytes.data(), a.dtype, at); });
        return v;
    };
    for (const QuantityRow& q : quantities::outputs(p_))
        if (is_asked(q.quantity, wanted_)) out.*q.output = values(static_cast<std::size_t>(q.quantity));
    if (p_.spec.quantizes()) {
        out.q = out.y, out.scale = values(scale_at);
        dequantize(out, p_);
    }
    for (const QuantityRow& q : quantities::saved()) out.saved.*q.saved = values(static_cast<std::size_t>(q.quantity));
    for (std::size_t k = 0; k < std::size(state_arrays); ++k)
        out.state.*state_arrays[k].values = values(outputs_and_saved + k);
    out.state.count = count_;
    return out;
}

std::vector<Array> fresh_results(const Implementation& implementation, const Inputs<double>& in,
                                 const Placement& placement) {
    Session session(implementation, in.problem, placement);
    session.write(in);
    session.forward(), session.backward();
    return session.results();
}

}  // namespace normlab::verify
