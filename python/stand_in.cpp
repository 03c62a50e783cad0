#include "python/stand_in.hpp"

#include "norms/norm.hpp"
#include "norms/registry.hpp"

namespace normlab::python {
namespace {

Problem dense_one(Problem p) {
    p.spec = p.spec.without_output(), p.gaps = {};
    return p;
}

// The faster one, where it has all that is asked.
const Implementation& right_one(const Problem& p) {
    const Implementation& cpu = find_implementation("cpu");
    return cpu.supports(p) ? cpu : find_implementation("reference");
}

}  // namespace

StandIn::StandIn(const Problem& problem) : p_(dense_one(problem)), implementation_(right_one(p_)) {}

void StandIn::forward(const ConstTensor& x, const Affine& affine, const double* mean, const double* spread,
                      const ConstTensor& residual, Mask mask) {
    State state;
    if (p_.spec.running != Running::none) {
        const auto C = static_cast<std::size_t>(p_.shape.C);
        state.mean.assign(mean, mean + C);
        (p_.spec.running == Running::sigma ? state.sigma : state.var).assign(spread, spread + C);
    }
    const auto elements = static_cast<std::size_t>(p_.shape.size());
    std::vector<std::byte> y(elements * size_of(p_.dtype)), s(elements * size_of(p_.residuals()));
    Added added;
    if (p_.spec.adds()) added = {residual, p_.tensor(s.data(), p_.residuals(), {})};
    normlab::forward(p_.spec, p_.mode, x, affine, &state, saved_, p_.tensor(y.data(), p_.dtype, {}), implementation_,
                     added, mask);
}

void StandIn::backward(const BackwardArgs& a) const {
    normlab::backward(p_.spec, p_.mode, a.x, a.dy, a.affine, saved_, a.gradients, implementation_, a.ds, a.mask);
}

void StandIn::backward_backward(const BackwardBackwardArgs& a) const {
    normlab::backward_backward(p_.spec, p_.mode, a.x, a.dy, a.affine, saved_, a.cotangents, a.gradients,
                               implementation_);
}

}  // namespace normlab::python
