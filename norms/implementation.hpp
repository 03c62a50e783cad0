#pragma once
// What an implementation is. It sees checked problems only; norm.hpp is how everybody else calls it.

#include <memory>
#include <string>

#include "norms/device.hpp"
#include "norms/state.hpp"

namespace normlab {

/// How sums are accumulated; error bounds follow from it (verify/truth/bounds.hpp). Undeclared means sequential.
enum class Accumulation {
    sequential,  ///< one chain in the compute precision (f32 for f32 and 16-bit data): up to m roundings
    tree,        ///< pairwise or blocked in the compute precision: log2(m) roundings
    f64,         ///< in double, results rounded to the compute precision
    /// in double, the mean applied as a float pair: f32 and 16-bit results whose error does not grow with kappa
    kappa_free,
    /// one chain in the compute precision, in one pass, of x less a pivot: a value of the block, or the running mean
    pivot
};

struct ForwardArgs {
    ConstTensor x;
    Affine affine;
    StateView state;  ///< as before the step; written only by an implementation that updates State itself
    SavedView saved;  ///< to be filled: Problem::statistics_count() entries each; r and d for batch renorm in training
    Tensor y;
    void* workspace = nullptr;  ///< aligned to 256 bytes, contents undefined
    void* stream = nullptr;     ///< a cudaStream_t for device tensors
    Added added = {};           ///< of a layer with a residual
    Mask mask = nullptr;        ///< of a layer with a mask
    float* scale = nullptr;     ///< of a y of 8 bits, Problem::scale_count() numbers: read where given, else written
};

struct BackwardArgs {
    ConstTensor x, dy;  ///< with a residual s stands for x, in its own type
    Affine affine;
    ConstSavedView saved;
    Gradients gradients;
    void* workspace = nullptr;
    void* stream = nullptr;
    ConstTensor ds = {};  ///< the cotangent of s; null: 0
    Mask mask = nullptr;  ///< as forward had it
};

struct BackwardBackwardArgs {
    ConstTensor x, dy;
    Affine affine;
    ConstSavedView saved;
    Cotangents cotangents;
    SecondGradients gradients;
    void* workspace = nullptr;
    void* stream = nullptr;
};

/// What is worked out once for a problem and then run many times.
class Plan {
public:
    virtual ~Plan() = default;
    virtual std::size_t workspace_bytes() const { return 0; }
    virtual std::size_t opaque_bytes() const { return 0; }  ///< of Saved::opaque; aligned to 16 bytes at least
    virtual void set_threads(int) {}  ///< 1 or more; the default is the implementation's. Results do not depend on it
    virtual void forward(const ForwardArgs&) const = 0;
    virtual void backward(const BackwardArgs&) const = 0;
    /// whether backward_backward may be called, or why not
    virtual Support supports_backward_backward() const { return {"it has no double backward"}; }
    virtual void backward_backward(const BackwardBackwardArgs&) const {}
};

/// Which statistics of Saved forward fills; the others are empty and not judged.
struct Saves {
    bool mean = true, var = true, rstd = true;
};

class Implementation {
public:
    virtual ~Implementation() = default;
    virtual std::string name() const = 0;
    virtual std::string description() const = 0;
    virtual Device device() const { return Device::host; }  ///< where it wants its tensors
    virtual Support available() const { return {}; }        ///< whether it can run on this machine at all, or why not
    /// what it declines as not dense (Problem::gaps) is packed for it by norm.hpp
    virtual Support supports(const Problem&) const = 0;
    virtual Accumulation accumulation(DType) const { return Accumulation::sequential; }
    /// the same bits on every call and for any number of threads; otherwise results are compared within their bounds
    virtual bool deterministic() const { return true; }
    /// numbers of the compute or storage type that are subnormal may be taken for 0, as inputs and as results
    virtual bool flushes_subnormals() const { return false; }
    /// in which State is kept, where it is handed back as f64 all the same
    virtual DType state_dtype(const Problem&) const { return DType::f64; }
    /// forward moves State in training; otherwise the caller does, on the host
    virtual bool updates_state() const { return false; }
    virtual Saves saves() const { return {}; }
    virtual bool parallel() const { return true; }  ///< a call may work on several threads at once
    /// the flag that brings it in, "--plugin ./mine.so": norm.hpp gives it copies of arrays, in fenced memory
    virtual std::string origin() const { return {}; }
    virtual std::unique_ptr<Plan> plan(const Problem&) const = 0;  ///< only for supported problems
};

}  // namespace normlab
