// The host's samples, bit for bit, drawn on the device: the same functions, compiled with --fmad=false.
#include <algorithm>

#include "norms/cuda/device.cuh"
#include "studies/noise/samples.hpp"

namespace normlab::noise::cuda {
namespace {

template <class T>
__global__ void fill_kernel(Draw draw, T* x, Shape shape, std::uint64_t pairs) {
    const std::uint64_t total = pairs * static_cast<std::uint64_t>(shape.C),
                        step = std::uint64_t{gridDim.x} * blockDim.x;
    // neighbours share a row of x
    for (std::uint64_t i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < total; i += step)
        store_pair(draw, x, shape, static_cast<std::uint32_t>(i / shape.C), static_cast<std::uint32_t>(i % shape.C));
}

}  // namespace

void fill(const Draw& draw, void* x, const Shape& shape, DType dtype) {
    constexpr int threads = 256;
    const std::uint64_t pairs = static_cast<std::uint64_t>((shape.N * shape.S + 1) / 2),
                        total = pairs * static_cast<std::uint64_t>(shape.C);
    if (total == 0) return;
    const auto blocks = static_cast<unsigned>(std::min<std::uint64_t>((total + threads - 1) / threads, 65535));
    if (dtype == DType::f32)
        normlab::cuda::launch(fill_kernel<float>, blocks, threads, nullptr, draw, static_cast<float*>(x), shape, pairs);
    else
        normlab::cuda::launch(fill_kernel<double>, blocks, threads, nullptr, draw, static_cast<double*>(x), shape,
                              pairs);
}

}  // namespace normlab::noise::cuda
