#pragma once
// What kernels share: reductions in a fixed order, and starting a kernel. Compiled by nvcc, and by a host compiler in
// tests/, where tests/emulation/cuda.hpp supplies threads, shuffles, barriers and launch().

#include "norms/cuda/operations.hpp"

#ifdef __CUDACC__
#include "norms/cuda/check.hpp"

namespace normlab::cuda {

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), unsigned grid, int threads, void* stream, const Arguments&... arguments) {
    kernel<<<grid, static_cast<unsigned>(threads), 0, static_cast<cudaStream_t>(stream)>>>(arguments...);
    NORMLAB_CUDA(cudaGetLastError());
}

}  // namespace normlab::cuda
#endif

namespace normlab::cuda {

constexpr unsigned all_lanes = 0xffffffff;
constexpr int warp_size = 32, most_warps = 32;

/// A value of doubles from `delta` lanes further; the warp's last lanes get their own.
template <class V>
__device__ V from_lane_above(const V& v, unsigned delta) {
    static_assert(sizeof(V) % sizeof(double) == 0);
    constexpr int count = sizeof(V) / sizeof(double);
    double in[count], out[count];
    memcpy(in, &v, sizeof(V));
#pragma unroll
    for (int i = 0; i < count; ++i) out[i] = __shfl_down_sync(all_lanes, in[i], delta);
    V result;
    memcpy(&result, out, sizeof(V));
    return result;
}

/// Lane 0 gets the merge of all lanes, in the order of a tree; the others get nothing of use.
template <class V>
__device__ V merge_warp(V v) {
    for (unsigned delta = warp_size / 2; delta > 0; delta /= 2) {
        const V other = from_lane_above(v, delta);
        if (threadIdx.x % warp_size < delta) v.merge(other);
    }
    return v;
}

/// All threads of a team (a warp, or the CTA) get the merge of all of theirs. Threads of a CTA-wide team call it
/// together.
template <class V>
__device__ V merge_team(V v, int team) {
    __shared__ V of_warp[most_warps];
    const int warp = static_cast<int>(threadIdx.x) / warp_size;
    v = merge_warp(v);
    if (team > warp_size) __syncthreads();  // nobody still reads what an earlier call left
    if (threadIdx.x % warp_size == 0) of_warp[warp] = v;
    if (team == warp_size) {
        __syncwarp();
        v = of_warp[warp];
        __syncwarp();
        return v;
    }
    __syncthreads();
    v = of_warp[0];
    for (int w = 1; w < team / warp_size; ++w) v.merge(of_warp[w]);
    return v;
}

/// Lets the compiler leave out the sums of an operation that has none.
template <class Op>
constexpr bool sums_up = !std::is_same_v<typename Op::Value, Nothing>;

}  // namespace normlab::cuda
