// What is done once a block or once a channel: merging the partial results of parts, statistics from State, batch
// renorm's factors, moving State.
#include "norms/cuda/device.cuh"

namespace normlab::cuda {
namespace {

constexpr int finish_threads = 128, finish_warps = finish_threads / warp_size;

// The merge of `per_row` neighbours from column `first` on in each of `rows` rows of `width`, rows `row` and on; by one
// warp, valid in its lane 0.
template <class V>
__device__ V gather(const V* partials, std::int64_t row, std::int64_t rows, std::int64_t width, std::int64_t first,
                    std::int64_t per_row) {
    V total{};
    for (std::int64_t e = threadIdx.x % warp_size; e < rows * per_row; e += warp_size)
        total.merge(partials[(row + e / per_row) * width + first + e % per_row]);
    return merge_warp(total);
}

// The same for what parts left of block b.
template <class V>
__device__ V gather_block(const Blocks& blocks, const V* partials, std::int64_t b) {
    const Launch& l = blocks.launch;
    const std::int64_t inner = blocks.geometry.inner;
    return gather(partials, b / inner * l.splits, l.splits, l.width, b % inner * l.per_block, l.per_block);
}

__device__ std::int64_t first_of_warp() {
    return static_cast<std::int64_t>(blockIdx.x) * finish_warps + threadIdx.x / warp_size;
}
__device__ std::int64_t warps_of_grid() { return static_cast<std::int64_t>(gridDim.x) * finish_warps; }
__device__ std::int64_t first_of_thread() { return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ std::int64_t threads_of_grid() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

unsigned warp_grid(std::int64_t count) { return grid_for((count + finish_warps - 1) / finish_warps); }
unsigned thread_grid(std::int64_t count) { return grid_for((count + finish_threads - 1) / finish_threads); }

__global__ void merge_moments(const Blocks blocks, const Rule rule, const Moments* const partials,
                              const SavedView saved) {
    for (std::int64_t b = first_of_warp(); b < blocks.count(); b += warps_of_grid()) {
        const BlockStatistics s = statistics(rule, gather_block(blocks, partials, b));
        if (threadIdx.x % warp_size == 0) saved.mean[b] = s.mean, saved.var[b] = s.var, saved.rstd[b] = s.rstd;
    }
}

template <class T>
__global__ void merge_sums(const Blocks blocks, const Rule rule, const Sums* const partials, const T* const gamma,
                           const ConstSavedView saved, Means* const of_block, Sums* const shares) {
    for (std::int64_t b = first_of_warp(); b < blocks.count(); b += warps_of_grid()) {
        const Sums total = gather_block(blocks, partials, b);
        if (threadIdx.x % warp_size != 0) continue;
        const BlockStatistics s = statistics(saved, b);
        if (of_block)
            of_block[b] =
                means(rule, s, total, load_or(gamma, blocks.params.channel(b % blocks.geometry.inner, 0, 0), 1));
        if (shares) shares[b] = parameter_share(s, total);
    }
}

template <class T>
__global__ void merge_shares(const Sums* const shares, const std::int64_t rows, const std::int64_t width,
                             const std::int64_t per_channel, const std::int64_t channels, T* const dgamma,
                             T* const dbeta) {
    for (std::int64_t c = first_of_warp(); c < channels; c += warps_of_grid()) {
        const Sums total = gather(shares, 0, rows, width, c * per_channel, per_channel);
        if (threadIdx.x % warp_size != 0) continue;
        if (dgamma) dgamma[c] = static_cast<T>(total.products);
        if (dbeta) dbeta[c] = static_cast<T>(total.values);
    }
}

__global__ void statistics_of_state(const Spec spec, const std::int64_t channels, const StateView state,
                                    const SavedView saved) {
    for (std::int64_t c = first_of_thread(); c < channels; c += threads_of_grid()) {
        saved.mean[c] = state.mean[c];
        if (spec.running == Running::sigma) {
            const double sigma = state.sigma[c];
            saved.var[c] = sigma * sigma - spec.eps;
            saved.rstd[c] = sigma == 0 ? 0 : 1 / sigma;
        } else {
            saved.var[c] = state.var[c];
            saved.rstd[c] = inverse_sigma(state.var[c], spec.eps);
        }
    }
}

// What a step needs of the problem. samples: blocks of a channel that one step averages (instance norm).
struct Steps {
    std::int64_t channels, slices, samples, size, count;
};

__global__ void move(const Spec spec, const Steps steps, double* const running_mean, double* const running_spread,
                     const SavedView saved) {
    for (std::int64_t c = first_of_thread(); c < steps.channels; c += threads_of_grid()) {
        double mean = running_mean[c], spread = running_spread[c];
        for (std::int64_t slice = 0; slice < steps.slices; ++slice) {
            const std::int64_t b = slice * steps.channels + c;
            if (saved.r) {
                const auto factors = renorm_factors<double>(spec, saved.mean[b], sigma_of<double>(spec, saved.var[b]),
                                                            mean, running_sigma<double>(spec, spread));
                saved.r[b] = factors.r, saved.d[b] = factors.d;
            }
            update_channel<double>(spec, mean, spread, steps.count + slice, steps.samples, steps.size, saved.mean + b,
                                   saved.var + b, steps.channels);
        }
        running_mean[c] = mean, running_spread[c] = spread;
    }
}

}  // namespace

void finish_moments(const Blocks& blocks, const Rule& rule, const Moments* partials, SavedView saved, void* stream) {
    launch(merge_moments, warp_grid(blocks.count()), finish_threads, stream, blocks, rule, partials, saved);
}

template <class T>
void finish_sums(const Blocks& blocks, const Rule& rule, const Sums* partials, const T* gamma, ConstSavedView saved,
                 Means* means, Sums* shares, void* stream) {
    launch(merge_sums<T>, warp_grid(blocks.count()), finish_threads, stream, blocks, rule, partials, gamma, saved,
           means, shares);
}

template <class T>
void finish_parameters(const Sums* shares, std::int64_t rows, std::int64_t width, std::int64_t per_channel,
                       std::int64_t channels, T* dgamma, T* dbeta, void* stream) {
    launch(merge_shares<T>, warp_grid(channels), finish_threads, stream, shares, rows, width, per_channel, channels,
           dgamma, dbeta);
}

void give_statistics(const Spec& spec, std::int64_t channels, const StateView& state, SavedView saved, void* stream) {
    launch(statistics_of_state, thread_grid(channels), finish_threads, stream, spec, channels, state, saved);
}

void move_state(const Problem& p, const StateView& state, SavedView saved, void* stream) {
    const std::int64_t C = p.shape.C;
    const Steps steps{C, p.slices(), p.spec.block.samples ? 1 : p.shape.N, p.block_size(), *state.count};
    double* spread = p.spec.running == Running::sigma ? state.sigma : state.var;
    launch(move, thread_grid(C), finish_threads, stream, p.spec, steps, state.mean, spread, saved);
    *state.count += p.slices();
}

template void finish_sums(const Blocks&, const Rule&, const Sums*, const float*, ConstSavedView, Means*, Sums*, void*);
template void finish_sums(const Blocks&, const Rule&, const Sums*, const double*, ConstSavedView, Means*, Sums*, void*);
template void finish_parameters(const Sums*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, float*, float*,
                                void*);
template void finish_parameters(const Sums*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, double*, double*,
                                void*);

}  // namespace normlab::cuda
