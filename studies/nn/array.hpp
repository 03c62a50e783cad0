#pragma once
// Arrays of the substrate: channels last, f32 or f64, in the memory of a device.

#include <span>
#include <vector>

#include "norms/memory.hpp"

namespace normlab::nn {

/// x[N, H, W, C]: N samples, H x W positions, C channels, the channels of a position contiguous. H = W = 1 after a
/// dense layer.
struct Dims {
    std::int64_t N = 0, C = 0, H = 1, W = 1;

    std::int64_t positions() const { return H * W; }
    std::int64_t features() const { return C * H * W; }  ///< of a sample
    std::int64_t size() const { return N * C * H * W; }
    bool operator==(const Dims&) const = default;
};

/// Owned memory with its Dims. It grows and never shrinks: an array that has had its largest size allocates nothing
/// more.
class Array {
public:
    Array() = default;
    Array(Device device, DType dtype) : device_(device), dtype_(dtype) {}

    /// Contents are undefined afterwards. Throws Error for a dtype that is neither f32 nor f64, or a negative
    /// dimension.
    void resize(const Dims& dims);

    const Dims& dims() const { return dims_; }
    DType dtype() const { return dtype_; }
    Device device() const { return device_; }

    /// [N, C, S = H W], channels last: what a normalization sees
    Tensor tensor() const;
    /// [N H W, C]: what a convolution by GEMM sees
    Tensor matrix() const;
    Tensor rows() const;                                           ///< [N, H W C]: what a dense layer sees
    Tensor slice(std::int64_t first, std::int64_t samples) const;  ///< `matrix` of some samples

    /// Copies from and to the host, converting; in memory order. Throw Error unless the sizes are equal.
    void set(std::span<const float> values);
    void set(std::span<const double> values);
    std::vector<double> values() const;
    void fill(double value);

private:
    Tensor view(std::int64_t N, std::int64_t C, std::int64_t S) const;

    Device device_ = Device::host;
    DType dtype_ = DType::f32;
    Dims dims_;
    Memory memory_;
};

/// `tensor` of an array for what works on host memory: the array's own, or an f64 copy of what is on a device.
class HostView {
    std::vector<double> copy_;

public:
    explicit HostView(const Array& a);
    ConstTensor tensor;
};

/// sqrt(sum of squares), in f64: the norm of a gradient or of a layer's weights.
double l2(const Array& a);

}  // namespace normlab::nn
