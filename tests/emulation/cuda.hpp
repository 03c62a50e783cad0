#pragma once
// A CUDA device in a host process, for tests: force-included before norms/cuda/*.cu, which a host compiler then
// compiles as C++. The threads of a CTA are fibres that take turns; CTAs run one after another. It proves indices,
// barriers, shuffles and arithmetic (which is the same bits: no fused multiply-adds on either side), and under
// AddressSanitizer every access. It proves nothing about speed, memory ordering, or nvcc.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __launch_bounds__(threads)
#define __shared__ static thread_local

namespace normlab::emulation {

struct Index {
    unsigned x = 0;
};

/// Runs `thread` once for each thread of each CTA. A barrier or shuffle that some threads of the CTA or warp do not
/// reach ends the process.
void run(unsigned grid, int threads, const std::function<void()>& thread);

/// Order in which a CTA's threads take turns. Right kernels give the same bits for every order.
enum class Order { up, down };
extern Order order;

void barrier();
double shuffle_down(double value, unsigned delta);

}  // namespace normlab::emulation

extern thread_local normlab::emulation::Index threadIdx, blockIdx, blockDim, gridDim;

inline void __syncthreads() { normlab::emulation::barrier(); }
inline void __syncwarp() { (void)normlab::emulation::shuffle_down(0, 0); }
inline double __shfl_down_sync(unsigned, double value, unsigned delta) {
    return normlab::emulation::shuffle_down(value, delta);
}

namespace normlab::cuda {

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), unsigned grid, int threads, void*, const Arguments&... arguments) {
    emulation::run(grid, threads, [&] { kernel(arguments...); });
}

}  // namespace normlab::cuda
