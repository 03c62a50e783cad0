#pragma once
// The tensors of a call: whether they are right, and how they lie.

#include <initializer_list>
#include <string_view>

#include <fmt/format.h>

#include "norms/state.hpp"

namespace normlab {

template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(fmt::format(text, std::forward<Args>(args)...));
}

/// Throws Error where `t` is not as x is, its elements overlap, or an axis is expanded that may not be.
void check_view(std::string_view what, const ConstTensor& t, const ConstTensor& x, bool may_expand = false);
/// The same of a tensor that is to be as `like` is, but for its type.
void check_view(std::string_view what, const ConstTensor& t, ConstTensor like, DType dtype);

/// Throws Error where a threshold has no tau, or a layer without one has a tau or a dtau.
void check_threshold(const Spec& spec, const void* tau, const void* dtau = nullptr);
/// Throws Error where a mask is missing, or there and not asked for.
void check_mask(const Spec& spec, Mask mask);

/// Throws Error where an output lies in the place of an input, which it may, but with other strides.
void check_place(std::string_view what, const ConstTensor& out, std::string_view of, const ConstTensor& in);

/// How the tensors of a call lie, where a problem can say so: those that are there and lie as another does agree.
class CallGaps {
public:
    explicit CallGaps(const TensorGaps& gaps) : gaps_(gaps) {}
    void as(const Gaps& gaps, const ConstTensor& t) {
        if (t.data && t.gaps() != gaps) agree_ = false;
    }
    bool dense() const { return agree_ && gaps_ == TensorGaps{}; }
    bool agree() const { return agree_; }
    const TensorGaps& gaps() const { return gaps_; }

private:
    TensorGaps gaps_;
    bool agree_ = true;
};

/// Those of the first that is there.
Gaps gaps_of_first(std::initializer_list<ConstTensor> tensors);

}  // namespace normlab
