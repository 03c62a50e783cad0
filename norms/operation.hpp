#pragma once
// One problem, prepared once for one implementation and run many times. A call allocates nothing and checks nothing, so
// benchmarks, training loops and device code use this. forward and backward of norm.hpp make an Operation for host
// arrays and run it once.

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

/// All pointers are to memory of `implementation.device()`, except StateView::count, which is on the host.
class Operation {
public:
    /// Throws Error where the problem is wrong (validate), the implementation cannot run here or declines it
    /// (Declined), or where the running statistics would have to move on a device and the implementation does not move
    /// them.
    Operation(const Problem& problem, const Implementation& implementation, Options options = {});

    const Problem& problem() const { return problem_; }
    std::size_t opaque_bytes() const { return plan_ ? plan_->opaque_bytes() : 0; }
    std::size_t workspace_bytes() const { return workspace_.bytes(); }

    /// From now on calls use this memory, of workspace_bytes() bytes and aligned to 256 bytes, in place of the
    /// operation's own. Its contents do not matter.
    void use_workspace(void* memory) { workspace_at_ = memory; }

    /// Tensors lie as problem().gaps says. y = norm(x); fills `saved`; moves `state` in training where the variant
    /// keeps running statistics. Not from two threads at once: calls share the workspace. Throws Error where a mask or
    /// a tau is missing, or there and not asked for, as backward does.
    void forward(ConstTensor x, Affine affine, StateView state, SavedView saved, Tensor y, Added added = {},
                 Mask mask = nullptr, float* scale = nullptr);
    /// Of a layer with a residual, x is the s that forward gave. Throws Error where dx lies on an expanded dy.
    void backward(ConstTensor x, ConstTensor dy, Affine affine, ConstSavedView saved, Gradients gradients,
                  ConstTensor ds = {}, Mask mask = nullptr);
    /// Whether this problem's double backward is there, or why not.
    Support supports_backward_backward() const;
    /// Throws Declined where it is not.
    void backward_backward(ConstTensor x, ConstTensor dy, Affine affine, ConstSavedView saved, Cotangents cotangents,
                           SecondGradients gradients);

private:
    void write_zeros(std::initializer_list<void*> gradients) const;

    Problem problem_;
    const Implementation* implementation_;
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
