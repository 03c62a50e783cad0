#pragma once
// One problem, prepared once for one implementation and run many times, without an allocation a call and without checks
// a call: what benchmarks, training loops and device code use. forward and backward of norm.hpp are this with host
// arrays around it.

#include "norms/memory.hpp"
#include "norms/registry.hpp"

namespace normlab {

/// Thrown where an implementation declines a problem, with its reason.
struct Declined : Error {
    using Error::Error;
};

struct Options {
    int threads = 0;         ///< of a host implementation; 0: its default
    void* stream = nullptr;  ///< a cudaStream_t; kernels are enqueued there and not waited for
};

/// All pointers lie on `implementation.device()`, but StateView::count, which is on the host.
class Operation {
public:
    /// Throws Error where the problem is wrong (validate), the implementation cannot run here or declines it
    /// (Declined), or where the running statistics would have to move on a device and the implementation does not move
    /// them.
    Operation(const Problem& problem, const Implementation& implementation, Options options = {});

    const Problem& problem() const { return problem_; }
    std::size_t opaque_bytes() const { return plan_ ? plan_->opaque_bytes() : 0; }
    std::size_t workspace_bytes() const { return workspace_.bytes(); }

    /// From now on calls use this memory, of workspace_bytes() and aligned to 256, in place of the operation's own. Its
    /// contents do not matter.
    void use_workspace(void* memory) { workspace_at_ = memory; }

    /// y = norm(x); fills `saved`; moves `state` in training where the variant keeps running statistics.
    /// One call at a time: they share the workspace.
    void forward(ConstTensor x, Affine affine, StateView state, SavedView saved, Tensor y);
    void backward(ConstTensor x, ConstTensor dy, Affine affine, ConstSavedView saved, Gradients gradients);

private:
    Problem problem_;
    std::unique_ptr<Plan> plan_;  // none for an empty tensor
    Memory workspace_;
    void* workspace_at_ = nullptr;
    void* stream_;
    bool moves_state_;  // here, because the implementation does not
};

/// Saved statistics in the memory where an Operation works.
class SavedMemory {
public:
    explicit SavedMemory(const Operation& operation);
    SavedView view() const;

private:
    std::size_t opaque_offset() const;

    bool correction_;
    std::size_t blocks_;
    Memory memory_;
};

}  // namespace normlab
