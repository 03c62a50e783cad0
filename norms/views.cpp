#include "norms/views.hpp"

#include <string>
#include <tuple>

#include "norms/names.hpp"

namespace normlab {
namespace {

std::string shape_text(const ConstTensor& t) {
    return fmt::format("{} {} N={} C={} S={}", name_of(t.dtype), name_of(t.layout), t.shape.N, t.shape.C, t.shape.S);
}

// The strides of an axis of one element say nothing.
bool same_place(const ConstTensor& a, const ConstTensor& b) {
    const auto [N, C, S] = a.shape;
    const Steps one = a.steps(), other = b.steps();
    return a.shape.size() == 0 || ((N == 1 || one.sample == other.sample) && (C == 1 || one.channel == other.channel) &&
                                   (S == 1 || one.position == other.position));
}

}  // namespace

void check_view(std::string_view what, const ConstTensor& t, const ConstTensor& x, bool may_expand) {
    if (t.shape != x.shape || t.layout != x.layout || t.dtype != x.dtype || t.device != x.device)
        refuse("{} is {}, but x is {}; the same shape, layout, dtype and device are accepted", what, shape_text(t),
               shape_text(x));
    if (t.shape.size() > 0 && !t.data)
        refuse("{}: null data; memory for {} elements is accepted", what, t.shape.size());
    if (t.shape.size() == 0) return;
    const Gaps gaps = t.gaps();
    const Steps steps = t.steps();
    const std::tuple sample{"sample", gaps.sample, steps.sample}, channel{"channel", gaps.channel, steps.channel},
        position{"position", gaps.position, steps.position};
    const bool first = t.layout == Layout::channels_first;
    // the innermost first: the others are to leave room for it
    for (const auto& [axis, gap, step] : {first ? position : channel, first ? channel : position, sample}) {
        if (gap == expanded && !may_expand) refuse("{}: expanded along {}s; dy alone is accepted so", what, axis);
        if (gap < 0 && gap != expanded)
            refuse("{}: {} stride {}; 0, or at least {}, is accepted", what, axis, step, step - gap);
    }
}

void check_mask(const Spec& spec, Mask mask) {
    if (spec.masked && !mask)
        refuse("{} with a mask: null mask; a byte for each sample and position is accepted", spec.variant);
    if (!spec.masked && mask) refuse("{} has no mask: null is accepted, or masked = true", spec.variant);
}

void check_threshold(const Spec& spec, const void* tau, const void* dtau) {
    if (spec.thresholds() && !tau)
        refuse("{} with a threshold: null tau; an array with the entries of beta is accepted", spec.variant);
    if (!spec.thresholds() && (tau || dtau))
        refuse("{} has no threshold: a null {} is accepted, or activation = threshold", spec.variant,
               tau ? "tau" : "dtau");
}

void check_place(std::string_view what, const ConstTensor& out, std::string_view of, const ConstTensor& in) {
    if (!out.data || out.data != in.data || same_place(out, in)) return;
    refuse("{} lies where {} does, with other strides{}; the same view, or memory of its own, is accepted", what, of,
           in.gaps().expands() ? ": " + std::string(of) + " is expanded" : "");
}

void check_view(std::string_view what, const ConstTensor& t, ConstTensor like, DType dtype) {
    like.dtype = dtype;
    check_view(what, t, like);
}

Gaps gaps_of_first(std::initializer_list<ConstTensor> tensors) {
    for (const ConstTensor& t : tensors)
        if (t.data) return t.gaps();
    return {};
}

}  // namespace normlab
