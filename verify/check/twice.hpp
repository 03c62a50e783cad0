#pragma once
// The double backward, which an implementation need not have.

#include "norms/operation.hpp"
#include "verify/check/check.hpp"

namespace normlab::verify {

/// Throws Unsuitable, with the reason, where the implementation has none for the problem.
void require_double_backward(const Problem& problem, const Implementation& implementation);

/// The numbers of a case, with cotangents where the implementation has a double backward.
Inputs<double> draw_for(const Case& c, const Implementation& implementation);

/// One plan, and arrays that stay where they are while their contents change.
class TwicePlan {
public:
    /// threads: 0, the implementation's default.
    TwicePlan(const Implementation& implementation, const Problem& problem, int threads = 0);

    /// Forward, then the double backward: ddx, ddy and ddgamma.
    Outputs<double> run(const Inputs<double>& in);

private:
    struct Slot {
        Memory memory;
        DType dtype;
        bool tensor;
    };
    Slot slot(bool tensor) const;
    Slot state_slot(const std::vector<double>& values) const;
    void upload(Slot& to, const std::vector<double>& values) const;
    std::vector<double> download(const Slot& from) const;
    Tensor tensor(const Slot& s) const { return {s.memory.data(), p_.dtype, p_.shape, p_.layout, p_.device}; }

    Problem p_;
    Operation operation_;
    SavedMemory saved_;
    Slot x_, dy_, v_, y_, ddx_, ddy_, gamma_, beta_, u_, w_, ddgamma_;
    std::vector<Slot> state_;  // as state_arrays
};

}  // namespace normlab::verify
