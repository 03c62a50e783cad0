#include "verify/exchange/call_index.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/truth/elements.hpp"

namespace normlab::verify {
namespace {

std::string bytes_of(const std::vector<double>& v) {
    return {reinterpret_cast<const char*>(v.data()), v.size() * sizeof(double)};
}

// Along an axis of one element a stride says nothing.
std::string strides_of(const Problem& p, const Gaps& gaps) {
    const Steps steps = p.tensor(nullptr, p.dtype, gaps).steps();
    return fmt::format(" {},{},{}", p.shape.N > 1 ? steps.sample : 0, p.shape.C > 1 ? steps.channel : 0,
                       p.shape.S > 1 ? steps.position : 0);
}
// Of two tensors; both dense: "".
std::string strides_of(const Problem& p, const Gaps& one, const Gaps& other) {
    const std::string dense = strides_of(p, {}), both = strides_of(p, one) + strides_of(p, other);
    return both == dense + dense ? "" : both;
}

// Everything that decides what a forward call gives.
std::string content_of(const Inputs<double>& in) {
    std::string key = content_of_problem(in.problem);
    key += strides_of(in.problem, in.problem.gaps.y, {});
    if (in.problem.spec.running != Running::none) key += fmt::format(" {}", in.state.count);
    for (const std::vector<double>* v :
         {&in.x, &in.residual, &in.gamma, &in.beta, &in.tau, &in.state.mean, &in.state.var, &in.state.sigma})
        key += fmt::format(" {}:", v->size()) + bytes_of(*v);
    key.append(in.mask.begin(), in.mask.end());
    return key + bytes_of(in.scale);
}

// Of a backward call; none: "".
std::string cotangent_of(const Problem& p, const std::vector<double>& dy, const std::vector<double>& ds) {
    if (dy.empty()) return "";
    return bytes_of(dy) + (ds.empty() ? "" : " " + bytes_of(ds)) + strides_of(p, p.gaps.dy, p.gaps.dx);
}

std::string cotangents_of(const Inputs<double>& in) {
    std::string key;
    if (in.twice())
        for (const std::vector<double>* v : {&in.v, &in.u, &in.w}) key += fmt::format(" {}:", v->size()) + bytes_of(*v);
    return key;
}

std::vector<double> vector_of(const double* data, std::int64_t count) {
    return data ? std::vector<double>(data, data + count) : std::vector<double>();
}

}  // namespace

std::string content_of_problem(const Problem& p) {
    const Spec& s = p.spec;
    const bool running = s.running != Running::none;
    std::string key =
        fmt::format("{} {}x{}x{} {} {} {} {} {} {}", s.variant, p.shape.N, p.shape.C, p.shape.S, name_of(p.dtype),
                    name_of(p.layout), running && p.mode == Mode::eval, s.groups, s.eps, p.slices());
    if (running) key += fmt::format(" {} {}", name_of(s.running), s.momentum.value_or(-1));
    if (!s.plain()) key += fmt::format(" {} {}", name_of(s.denominator), name_of(s.divisor));
    if (s.activates()) key += fmt::format(" {}", name_of(s.activation));
    if (s.gamma_offset != 0) key += fmt::format(" offset {}", s.gamma_offset);
    if (s.adds()) key += fmt::format(" residual {} {}", name_of(s.residual), name_of(p.residuals()));
    if (s.affine_set != AffineSet::channel) key += fmt::format(" by {}", name_of(s.affine_set));
    if (s.casts()) key += fmt::format(" cast {}", name_of(s.cast));
    if (s.is_partial()) key += fmt::format(" part {}", s.part);
    if (s.output)
        key += fmt::format(" output {} {} {} {}", name_of(*s.output), name_of(s.scale), s.scale_power_of_two,
                           s.scale_inverse);
    if (s.masked) key += " masked";
    key += strides_of(p, p.gaps.x, {});
    if (is_narrow(p.params())) key += fmt::format(" params {}", name_of(p.params()));
    if (s.correction == Correction::renorm) key += fmt::format(" {} {}", s.r_max, s.d_max);
    return key;
}

std::vector<double> logical_values(const Problem& p, const ConstTensor& x) {
    std::vector<double> v(x.data ? static_cast<std::size_t>(p.shape.size()) : 0);
    if (x.data)
        for_elements(x, [&](std::size_t i, std::int64_t at) { v[i] = read_element<double>(x.data, x.dtype, at); });
    return v;
}

Inputs<double> inputs_of(const Problem& p, const ForwardArgs& a) {
    const std::int64_t C = p.shape.C;
    Inputs<double> in{p, logical_values(p, a.x), {}, {}, {}, {}};
    const auto parameters = [&](const void* data, std::vector<double>& to) {
        for (std::int64_t k = 0; data && k < p.affine_count(); ++k)
            to.push_back(read_element<double>(data, p.params(), k));
    };
    parameters(a.affine.gamma, in.gamma), parameters(a.affine.beta, in.beta), parameters(a.affine.tau, in.tau);
    in.residual = logical_values(p, a.added.residual);
    if (p.spec.masked) in.mask.assign(a.mask, a.mask + p.shape.N * p.shape.S);
    if (p.spec.quantizes() && !p.spec.finds_scale()) in.scale.assign(a.scale, a.scale + p.scale_count());
    if (p.spec.running != Running::none)
        in.state = {vector_of(a.state.mean, C), vector_of(a.state.var, C), vector_of(a.state.sigma, C), *a.state.count};
    return in;
}

std::size_t CallIndex::add(const Inputs<double>& in) {
    const auto [group, is_new] = groups_.try_emplace(content_of(in), entries_.size());
    if (is_new) entries_.emplace_back();
    std::vector<Entry>& same = entries_[group->second];
    const std::string dy = cotangent_of(in.problem, in.dy, in.ds), second = cotangents_of(in);
    if (dy.empty() && !same.empty()) return same.front().number;
    for (Entry& e : same) {
        if (!e.dy.empty() && e.dy != dy) continue;
        if (!second.empty() && !e.second.empty() && e.second != second) continue;
        e.dy = dy;
        if (!second.empty()) e.second = second;
        return e.number;
    }
    same.push_back({size_, dy, second});
    return size_++;
}

std::optional<CallIndex::Forward> CallIndex::forward(const Inputs<double>& in) const {
    const auto found = groups_.find(content_of(in));
    if (found == groups_.end()) return {};
    return Forward{found->second, entries_[found->second].front().number};
}

std::optional<std::size_t> CallIndex::backward(std::size_t group, const Problem& problem, const std::vector<double>& dy,
                                               const std::vector<double>& ds) const {
    const auto found = std::ranges::find(entries_[group], cotangent_of(problem, dy, ds), &Entry::dy);
    return found == entries_[group].end() ? std::nullopt : std::optional(found->number);
}

std::optional<std::size_t> CallIndex::backward_backward(std::size_t group, const Inputs<double>& in) const {
    const std::string dy = cotangent_of(in.problem, in.dy, {}), second = cotangents_of(in);
    for (const Entry& e : entries_[group])
        if (e.dy == dy && e.second == second) return e.number;
    return {};
}

void add_cotangents(Inputs<double>& in, const BackwardBackwardArgs& a) {
    const Problem& p = in.problem;
    in.dy = logical_values(p, a.dy);
    if (a.cotangents.v.data) in.v = logical_values(p, a.cotangents.v);
    const auto parameters = [&](const void* data, std::vector<double>& to) {
        for (std::int64_t k = 0; data && k < p.affine_count(); ++k)
            to.push_back(read_element<double>(data, p.params(), k));
    };
    parameters(a.cotangents.u, in.u), parameters(a.cotangents.w, in.w);
}

}  // namespace normlab::verify
