// Slabs: a block is several runs of at least 64 bytes (or one very long row), cut into parts of equally many elements.
// A CTA takes a part: consecutive threads take consecutive elements, over the ends of runs.
#include "norms/cuda/device.cuh"

namespace normlab::cuda {
namespace {

template <class Op>
__global__ void slab(const Blocks slabs, const Op op, typename Op::Value::Partial* const partials, const bool centred) {
    const Geometry& g = slabs.geometry;
    for (std::int64_t task = blockIdx.x; task < slabs.launch.tasks; task += gridDim.x) {
        const SlabTask t = slab_task(slabs, task);
        const std::int64_t base = slabs.base(t.b), i = t.b % g.inner;
        const auto block = op.block(t.b);
        typename Op::Value value{};
        Walk at(g, t.begin + threadIdx.x, t.end, blockDim.x);
        if (slabs.one_channel()) {
            auto element = block(slabs.params.channel(i, 0, 0));
            for (; at.inside(); at.next()) element(base + at.run * g.run_stride + at.k, at.e, value);
        } else {
            for (; at.inside(); at.next())
                block(slabs.params.channel(i, at.run, at.k))(base + at.run * g.run_stride + at.k, at.e, value);
        }
        if constexpr (sums_up<Op>) {
            const auto total = merge_team(value.partial(centred), static_cast<int>(blockDim.x));
            if (threadIdx.x == 0) partials[t.partial] = total;
        }
    }
}

}  // namespace

template <class Op>
void run_slab(const Blocks& slabs, const Op& op, typename Op::Value::Partial* partials, bool centred, void* stream) {
    launch(slab<Op>, grid_for(slabs.launch.tasks), slabs.launch.threads, stream, slabs, op, partials, centred);
}

#define NORMLAB_SLAB(...) \
    template void run_slab(const Blocks&, const __VA_ARGS__&, __VA_ARGS__::Value::Partial*, bool, void*);
#define NORMLAB_SLAB_OF(dtype, Storage) NORMLAB_EACH_OPERATION_OF(NORMLAB_SLAB, Storage)
NORMLAB_EACH_STORAGE_TYPE(NORMLAB_SLAB_OF)

}  // namespace normlab::cuda
