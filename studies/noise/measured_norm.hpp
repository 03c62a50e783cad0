#pragma once
// A normalization layer under measurement: an Operation with its memory, on whatever device the implementation works. Written once for host and device.

#include <span>
#include <vector>

#include "norms/operation.hpp"
#include "studies/noise/samples.hpp"

namespace normlab::noise {

/// x[N, C, S], dense, channels first, f32 or f64, on a device; its values on the host as double.
class Array {
public:
    Array(Device device, const Shape& shape, DType dtype);
    void draw(const Draw& what) { fill(what, memory_, shape_, dtype_); }
    void set(std::span<const double> values);   ///< rounded once to the dtype
    std::vector<double> values() const;
    Tensor view() const { return {memory_.data(), dtype_, shape_, Layout::channels_first, memory_.device()}; }

private:
    Memory memory_;
    Shape shape_;
    DType dtype_;
};

struct Statistics {
    std::vector<double> mean, var, rstd, r, d;   ///< one entry a block; r and d for batch renorm in training
};

class Layer {
public:
    Layer(const Spec& spec, const Shape& shape, Mode mode, DType dtype, const Implementation& implementation);

    Array array() const { return {device_, operation_.problem().shape, operation_.problem().dtype}; }
    void set_state(double mean, double spread);   ///< of every channel; count 0
    void forward(const Array& x);
    void backward(const Array& x, const Array& dy);

    std::vector<double> y() const { return y_.values(); }
    std::vector<double> dx() const { return dx_.values(); }
    Statistics statistics() const;
    std::vector<double> running(int column) const;   ///< 0: mean, 1: variance or sigma

private:
    std::vector<double> download(const double* from, std::int64_t count) const;
    StateView state() const;

    Operation operation_;
    Device device_;
    SavedMemory saved_;
    Memory state_;
    mutable std::int64_t count_ = 0;
    Array y_, dx_;
};

}  // namespace normlab::noise
