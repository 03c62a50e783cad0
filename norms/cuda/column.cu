// Columns: runs are short, and run r of all blocks of one outer index lies in inner * len contiguous elements. 32
// threads of a warp take 32 neighbouring elements ("columns"), whatever blocks they are of; the CTA's 8 rows of threads
// take every 8th run of a part. Each column is summed by itself; what belongs to one block is merged when parts are.
#include "norms/cuda/device.cuh"

namespace normlab::cuda {
namespace {

template <class Op>
__global__ void column(const Blocks blocks, const Op op, typename Op::Value::Partial* const partials,
                       const bool centred) {
    const Geometry& g = blocks.geometry;
    const int lane = static_cast<int>(threadIdx.x) % columns, row = static_cast<int>(threadIdx.x) / columns;
    for (std::int64_t task = blockIdx.x; task < blocks.launch.tasks; task += gridDim.x) {
        const ColumnTask t = column_task(blocks, task, lane);
        const bool inside = t.j < blocks.launch.width;
        const std::int64_t i = t.j / g.len, k = t.j % g.len, base = t.o * g.outer_stride + t.j;
        typename Op::Value value{};
        if (inside) {
            const auto block = op.block(t.o * g.inner + i);
            if (blocks.params.run_step == 0) {
                auto element = block(blocks.params.channel(i, 0, k));
                for (std::int64_t r = t.begin + row; r < t.end; r += column_rows)
                    element(base + r * g.run_stride, r * g.len + k, value);
            } else {
                for (std::int64_t r = t.begin + row; r < t.end; r += column_rows)
                    block(blocks.params.channel(i, r, k))(base + r * g.run_stride, r * g.len + k, value);
            }
        }
        if constexpr (sums_up<Op>) {
            __shared__ typename Op::Value::Partial of_row[column_rows][columns];
            of_row[row][lane] = value.partial(centred);
            __syncthreads();
            if (row == 0 && inside) {
                auto total = of_row[0][lane];
                for (int other = 1; other < column_rows; ++other) total.merge(of_row[other][lane]);
                partials[t.partial] = total;
            }
            __syncthreads();  // of_row is used again by the next task
        }
    }
}

}  // namespace

template <class Op>
void run_column(const Blocks& blocks, const Op& op, typename Op::Value::Partial* partials, bool centred, void* stream) {
    launch(column<Op>, grid_for(blocks.launch.tasks), blocks.launch.threads, stream, blocks, op, partials, centred);
}

#define NORMLAB_COLUMN(...) \
    template void run_column(const Blocks&, const __VA_ARGS__&, __VA_ARGS__::Value::Partial*, bool, void*);
#define NORMLAB_COLUMN_OF(dtype, Storage) NORMLAB_EACH_OPERATION_OF(NORMLAB_COLUMN, Storage)
NORMLAB_EACH_STORAGE_TYPE(NORMLAB_COLUMN_OF)

}  // namespace normlab::cuda
