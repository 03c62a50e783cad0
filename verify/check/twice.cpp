#include "verify/check/twice.hpp"

#include <limits>

#include <fmt/format.h>

#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

Problem problem_on(const Implementation& implementation, Problem p) {
    p.device = implementation.device();
    return p;
}

Support has_double_backward(const Problem& problem, const Implementation& implementation) {
    return Operation(problem_on(implementation, problem), implementation).supports_backward_backward();
}

}  // namespace

void require_double_backward(const Problem& problem, const Implementation& implementation) {
    if (const Support s = has_double_backward(problem, implementation); !s)
        throw Unsuitable(fmt::format("{} declines double backward: {}", implementation.name(), s.reason));
}

Inputs<double> draw_for(const Case& c, const Implementation& implementation) {
    return has_double_backward(c.problem(), implementation) ? draw_twice(c) : draw(c);
}

TwicePlan::TwicePlan(const Implementation& implementation, const Problem& problem, int threads)
    : p_(problem_on(implementation, problem)), operation_(p_, implementation, {.threads = threads}), saved_(operation_),
      x_(slot(true)), dy_(slot(true)), v_(slot(true)), y_(slot(true)), ddx_(slot(true)), ddy_(slot(true)),
      gamma_(slot(false)), beta_(slot(false)), u_(slot(false)), w_(slot(false)), ddgamma_(slot(false)) {
    const State kept = initial_state(p_.spec, p_.shape.C);
    for (const StateArray& a : state_arrays) state_.push_back(state_slot(kept.*a.values));
}

TwicePlan::Slot TwicePlan::slot(bool tensor) const {
    const DType dtype = tensor ? p_.dtype : p_.params();
    return {Memory(p_.device, static_cast<std::size_t>(tensor ? p_.shape.size() : p_.affine_count()) * size_of(dtype)),
            dtype, tensor};
}

TwicePlan::Slot TwicePlan::state_slot(const std::vector<double>& values) const {
    return {Memory(p_.device, values.size() * sizeof(double)), DType::f64, false};
}

void TwicePlan::upload(Slot& to, const std::vector<double>& values) const {
    std::vector<std::byte> bytes(values.size() * size_of(to.dtype));
    for (std::size_t i = 0; i < values.size(); ++i)
        write_element(bytes.data(), to.dtype, static_cast<std::int64_t>(to.tensor ? memory_index(p_, i) : i),
                      values[i]);
    to.memory.upload(bytes);
}

std::vector<double> TwicePlan::download(const Slot& from) const {
    std::vector<std::byte> bytes(from.memory.bytes());
    from.memory.download(bytes);
    std::vector<double> values(bytes.size() / size_of(from.dtype));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = read_element<double>(bytes.data(), from.dtype,
                                         static_cast<std::int64_t>(from.tensor ? memory_index(p_, i) : i));
    return values;
}

Outputs<double> TwicePlan::run(const Inputs<double>& in) {
    for (const auto& [to, from] :
         {std::pair(&x_, &in.x), std::pair(&dy_, &in.dy), std::pair(&v_, &in.v), std::pair(&gamma_, &in.gamma),
          std::pair(&beta_, &in.beta), std::pair(&u_, &in.u), std::pair(&w_, &in.w)})
        upload(*to, *from);
    for (Slot* s : {&y_, &ddx_, &ddy_, &ddgamma_})
        upload(*s,
               std::vector<double>(s->memory.bytes() / size_of(s->dtype), std::numeric_limits<double>::quiet_NaN()));
    const auto given = [](const Slot& s, const std::vector<double>& values) {
        return values.empty() ? nullptr : s.memory.data();
    };
    const Affine affine{given(gamma_, in.gamma), given(beta_, in.beta)};
    std::int64_t count = in.state.count;
    StateView state;
    if (p_.spec.running != Running::none) {
        state.count = &count;
        for (std::size_t k = 0; k < state_.size(); ++k) {
            upload(state_[k], in.state.*state_arrays[k].values);
            if (state_[k].memory.bytes() > 0)
                state.*state_arrays[k].view = static_cast<double*>(state_[k].memory.data());
        }
    }
    operation_.forward(tensor(x_), affine, state, saved_.view(), tensor(y_));
    operation_.backward_backward(tensor(x_), tensor(dy_), affine, saved_.view(),
                                 {in.v.empty() ? Tensor{} : tensor(v_), given(u_, in.u), given(w_, in.w)},
                                 {tensor(ddx_), tensor(ddy_), ddgamma_.memory.data()});
    synchronize(p_.device);
    Outputs<double> out;
    out.ddx = download(ddx_), out.ddy = download(ddy_), out.ddgamma = download(ddgamma_);
    return out;
}

}  // namespace normlab::verify
