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

void fill(const Draw& draw, const Tensor& x) {
    if (x.dtype != DType::f32 && x.dtype != DType::f64) throw Error("samples are drawn in f32 and f64 only");
    if (x.device == Device::cuda) cuda::fill(draw, x.data, x.shape, x.dtype);
    else if (x.dtype == DType::f32) fill_host(draw, static_cast<float*>(x.data), x.shape);
    else fill_host(draw, static_cast<double*>(x.data), x.shape);
}

}  // namespace normlab::noise
