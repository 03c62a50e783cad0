// Rows: a block is one contiguous run, walked by a team of threads: a warp for short rows, a CTA for long ones.
// Statistics and result in one launch: the second walk over a row finds it in a cache. Each thread reads and writes the
// same elements in both walks, so y may be x and dx may be dy.
#include "norms/cuda/device.cuh"

namespace normlab::cuda {
namespace {

// Applies `block` (an operation whose statistics are known) to every element that this thread has of row b.
template <class Block, class Value>
__device__ void walk_row(const Blocks& rows, std::int64_t b, int lane, const Block& block, Value& value) {
    const Geometry& g = rows.geometry;
    const std::int64_t base = rows.base(b), i = b % g.inner;
    auto element = block(rows.params.channel(i, 0, 0));
    if (rows.one_channel()) {
        for (std::int64_t k = lane; k < g.len; k += rows.launch.team) element(base + k, k, value);
    } else {
        for (std::int64_t k = lane; k < g.len; k += rows.launch.team)
            block(rows.params.channel(i, 0, k))(base + k, k, value);
    }
}

__device__ RowTask task_of_thread(const Blocks& rows) {
    return row_task(rows.launch, blockIdx.x, gridDim.x, static_cast<int>(threadIdx.x));
}

template <class S>
__global__ void __launch_bounds__(1024)
    row_forward(const Blocks rows, const Rule rule, const TakeMoments<S> take, const Normalise<S> normalise,
                const SavedView saved, const bool reduce, const bool apply) {
    const RowTask task = task_of_thread(rows);
    for (std::int64_t b = task.first; b < rows.count(); b += task.step) {
        BlockStatistics s;
        if (reduce) {
            Shifted value{};
            walk_row(rows, b, task.lane, take.block(b), value);
            s = statistics(rule, merge_team(value.partial(rule.centred), rows.launch.team));
            if (task.lane == 0) saved.mean[b] = s.mean, saved.var[b] = s.var, saved.rstd[b] = s.rstd;
        } else {
            s = statistics(ConstSavedView(saved), b);
        }
        Nothing nothing;
        if (apply) walk_row(rows, b, task.lane, normalise.with(s), nothing);
    }
}

template <class S>
__global__ void __launch_bounds__(1024)
    row_backward(const Blocks rows, const SumGradients<S> sum, const Differentiate<S> differentiate, Sums* const shares,
                 const bool reduce, const bool apply) {
    const RowTask task = task_of_thread(rows);
    for (std::int64_t b = task.first; b < rows.count(); b += task.step) {
        const BlockStatistics s = statistics(sum.saved, b);
        Means m;
        if (reduce) {
            Sums value{};
            walk_row(rows, b, task.lane, sum.block(b), value);
            value = merge_team(value, rows.launch.team);
            if (shares && task.lane == 0) shares[b] = parameter_share(s, value);
            const double left_out =
                sum.weighted ? 1 : load_or(sum.gamma, rows.params.channel(b % rows.geometry.inner, 0, 0), 1);
            m = means(differentiate.rule, s, value, left_out);
        }
        Nothing nothing;
        if (apply) walk_row(rows, b, task.lane, differentiate.with(s, m), nothing);
    }
}

}  // namespace

template <class S>
void run_row_forward(const Blocks& rows, const Rule& rule, const TakeMoments<S>& take, const Normalise<S>& normalise,
                     SavedView saved, bool reduce, bool apply, void* stream) {
    launch(row_forward<S>, grid_for(rows.launch.tasks), rows.launch.threads, stream, rows, rule, take, normalise, saved,
           reduce, apply);
}

template <class S>
void run_row_backward(const Blocks& rows, const SumGradients<S>& sum, const Differentiate<S>& differentiate,
                      Sums* shares, bool reduce, bool apply, void* stream) {
    launch(row_backward<S>, grid_for(rows.launch.tasks), rows.launch.threads, stream, rows, sum, differentiate, shares,
           reduce, apply);
}

#define NORMLAB_ROW(dtype, S)                                                                                         \
    template void run_row_forward(const Blocks&, const Rule&, const TakeMoments<S>&, const Normalise<S>&, SavedView,  \
                                  bool, bool, void*);                                                                 \
    template void run_row_backward(const Blocks&, const SumGradients<S>&, const Differentiate<S>&, Sums*, bool, bool, \
                                   void*);
NORMLAB_EACH_STORAGE_TYPE(NORMLAB_ROW)

}  // namespace normlab::cuda
