#pragma once
// normlab's own kernels, for what a function of Python does not give: a check that compares it with others needs right
// values, and looks for the cause of wrong ones. Findings about it are dropped.

#include <vector>

#include "norms/implementation.hpp"

namespace normlab::python {

class StandIn {
public:
    /// Of a y of the data's type: gradients are as without another.
    explicit StandIn(const Problem& problem);

    /// State before the call, C numbers each; null where none is kept. It is left as it is.
    void forward(const ConstTensor& x, const Affine& affine, const double* mean, const double* spread,
                 const ConstTensor& residual, Mask mask);
    const Saved& saved() const { return saved_; }

    /// Those that `gradients` asks for, after forward.
    void backward(const BackwardArgs& args) const;
    void backward_backward(const BackwardBackwardArgs& args) const;

private:
    Problem p_;
    const Implementation& implementation_;
    Saved saved_;
};

}  // namespace normlab::python
