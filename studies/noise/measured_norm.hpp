#pragma once
// A normalization under measurement: an Operation with its memory, on whatever device the implementation works. Written
// once for host and device.

#include "norms/operation.hpp"
#include "studies/nn/array.hpp"
#include "studies/noise/samples.hpp"

namespace normlab::noise {

using nn::Array;

/// x[N, C, S], f32 or f64, on a device; as implementations see it here: channels first.
Array array_of(Device device, const Shape& shape, DType dtype);
Tensor channels_first(const Array& x);
inline void fill(const Draw& draw, const Array& x) { fill(draw, channels_first(x)); }

class MeasuredNorm {
public:
    MeasuredNorm(const Spec& spec, const Shape& shape, Mode mode, DType dtype, const Implementation& implementation);

    Array array() const { return array_of(device_, operation_.problem().shape, operation_.problem().dtype); }
    void set_state(double mean, double spread);  ///< of every channel; count 0
    void forward(const Array& x);
    void backward(const Array& x, const Array& dy);

    std::vector<double> y() const { return y_.values(); }
    std::vector<double> dx() const { return dx_.values(); }
    Saved saved() const;                            ///< without `opaque`
    std::vector<double> running(int column) const;  ///< 0: mean, 1: variance or sigma

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
