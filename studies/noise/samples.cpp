#include "studies/noise/samples.hpp"

namespace normlab::noise {
namespace {

template <class T>
void fill_host(const Draw& draw, T* x, const Shape& shape) {
    const auto pairs = static_cast<std::uint32_t>((shape.N * shape.S + 1) / 2);
    for (std::uint32_t pair = 0; pair < pairs; ++pair)
        for (std::uint32_t c = 0; c < static_cast<std::uint32_t>(shape.C); ++c) store_pair(draw, x, shape, pair, c);
}

}  // namespace

void fill(const Draw& draw, Memory& memory, const Shape& shape, DType dtype) {
    if (dtype != DType::f32 && dtype != DType::f64) throw Error("samples are drawn in f32 and f64 only");
    if (memory.device() == Device::cuda) cuda::fill(draw, memory.data(), shape, dtype);
    else if (dtype == DType::f32) fill_host(draw, static_cast<float*>(memory.data()), shape);
    else fill_host(draw, static_cast<double*>(memory.data()), shape);
}

}  // namespace normlab::noise
