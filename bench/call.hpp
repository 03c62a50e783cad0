#pragma once
// One implementation on one problem, ready to be called again and again; and the memory that all calls of a run share.

#include <vector>

#include "bench/model.hpp"
#include "norms/operation.hpp"

namespace normlab::bench {

/// Values of the parameters and of the running statistics, from a seed: gamma in [0.5, 2], beta in [-1, 1], means in
/// [-1, 1], variances in [0.5, 2]. A scale that is given is of a y up to 8.
struct Parameters {
    Parameters(const Problem& problem, std::uint64_t seed);
    std::vector<double> gamma, beta;  ///< representable in the type of parameters
    State state;
    double scale = 1;  ///< as it is stored
};

/// An Operation with its parameters, gradients of parameters, running statistics and, for each of `sets` tensors, saved
/// statistics and scales, all on the implementation's device. Nothing is allocated in a call.
class Call {
public:
    /// Throws Error where the implementation declines the problem.
    Call(Problem problem, const Implementation& implementation, int threads, const Parameters& parameters,
         std::size_t sets = 1);
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    /// residual, s: of a layer with a residual.
    void forward(const void* x, void* y, std::size_t set = 0, const void* residual = nullptr, void* s = nullptr);
    /// With a residual x is s; ds may be null.
    void backward(const void* x, const void* dy, void* dx, std::size_t set = 0, const void* ds = nullptr);

    const Problem& problem() const { return problem_; }
    std::vector<double> dgamma() const { return gradient(2); }
    std::vector<double> dbeta() const { return gradient(3); }
    Saved saved(std::size_t set = 0) const;  ///< mean, var and rstd, those that are saved, on the host
    std::vector<float> scales(std::size_t set = 0) const;

private:
    Tensor tensor(void* data) const { return problem_.tensor(data, problem_.dtype, {}); }
    std::size_t statistics_bytes() const {
        return static_cast<std::size_t>(problem_.statistics_count()) * sizeof(double);
    }
    std::byte* parameter(std::size_t i) const { return parameters_.at(i * parameter_bytes_); }
    std::vector<double> gradient(std::size_t i) const;

    Problem problem_;
    Saves saves_;
    Operation operation_;
    std::size_t parameter_bytes_;
    Memory parameters_, running_;  // gamma, beta, dgamma, dbeta; mean, var or sigma
    StateView state_;
    std::int64_t count_;
    std::vector<SavedMemory> saved_;
    std::size_t scale_bytes_;  // of a set
    Memory scales_;
};

/// Tensors filled with random numbers once, to be read only, and tensors to be written, handed out to one call after
/// another. Neighbours are staggered, so that elements at the same place in two tensors do not fall into the same set
/// of a cache.
class Arena {
public:
    /// Room for `inputs` bytes and `outputs` bytes, as `room` counts them.
    Arena(Device device, DType dtype, std::size_t inputs, std::size_t outputs);
    static std::size_t room(std::size_t tensors, std::size_t bytes) { return tensors * stride(bytes); }

    /// The i-th of equal tensors of `bytes` bytes each.
    const void* input(std::size_t i, std::size_t bytes) const { return inputs_.at(i * stride(bytes)); }
    void* output(std::size_t i, std::size_t bytes) const { return outputs_.at(offset + i * stride(bytes)); }

private:
    static constexpr std::size_t offset = 1024;
    static std::size_t stride(std::size_t bytes) { return (bytes + 255) / 256 * 256 + 17 * 256; }

    Memory inputs_, outputs_;
};

}  // namespace normlab::bench
