#include <tuple>
#include <utility>

#include <fmt/format.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "norms/cpu/kernels.hpp"

namespace normlab::cpu {
namespace {

Kernels best_kernels(DType dtype) {
#ifdef NORMLAB_CPU_HAS_V3
    // none lacks the rest
    const bool v3_machine =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (v3_machine) return v3::kernels(dtype);
#endif
    return baseline::kernels(dtype);
}

int default_threads() {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

// The problem with gamma and beta one a channel, which is all that kernels know, on the same memory: positions are
// channels too where a block is a whole sample, samples are where no block spans them. Nothing where no view is so.
std::optional<Problem> by_channel(Problem p) {
    const AffineSet set = std::exchange(p.spec.affine_set, AffineSet::channel);
    if (set == AffineSet::channel) return p;
    if (p.layout != Layout::channels_first || !p.own_statistics()) return std::nullopt;
    const auto [N, C, S] = p.shape;
    Axes& block = p.spec.block;
    if (set == AffineSet::element && block == Axes{false, true, true, true}) {
        p.shape = {N, C * S, 1}, p.spec.groups = 1;
        return p;
    }
    if (set != AffineSet::sample_channel || block.samples) return std::nullopt;
    p.shape = {1, N * C, S}, p.spec.groups = N * (block.groups ? 1 : p.spec.groups), block.groups = false;
    return p;
}

// What the kernels work on, of a problem as it is seen by channel. Nothing where they have no blocks for it, or where
// those of a strided tensor have other runs than the dense one's: so that results have the same bits. Row and slab
// alone know of strides.
std::optional<Setup> setup_of(const Problem& p, const Problem& seen) {
    if (seen.shape.size() == 0) return Setup(seen, BlockLayout{});
    const std::optional<BlockLayout> dense = block_layout(seen);
    if (!dense) return std::nullopt;
    Setup setup(seen, *dense);
    setup.scaled_channels = Setup::scaled_channels_of(p);  // of what are channels to the caller
    const bool strides = setup.kernel != Kernel::column && !setup.has_few();
    const auto counts = [](const Geometry& g) { return std::tuple(g.outer, g.inner, g.runs, g.len); };
    for (const auto& [gaps, geometry] : {std::pair(&seen.gaps.x, &setup.g), std::pair(&seen.gaps.y, &setup.y),
                                         std::pair(&seen.gaps.dy, &setup.dy), std::pair(&seen.gaps.dx, &setup.dx)}) {
        const std::optional<BlockLayout> own = block_layout(seen, *gaps);
        if (!own || !(own->params == dense->params) || counts(own->blocks) != counts(dense->blocks) ||
            !(strides || own->blocks == dense->blocks))
            return std::nullopt;
        *geometry = own->blocks;
    }
    return setup;
}

class CpuPlan final : public Plan {
public:
    explicit CpuPlan(const Problem& p) : setup_(*setup_of(p, *by_channel(p))), kernels_(best_kernels(p.dtype)) {}
    std::size_t workspace_bytes() const override { return kernels_.workspace_bytes(setup_); }
    void set_threads(int threads) override { threads_ = threads; }
    void forward(const ForwardArgs& args) const override { kernels_.forward(setup_, args, threads_); }
    void backward(const BackwardArgs& args) const override { kernels_.backward(setup_, args, threads_); }

private:
    Setup setup_;
    Kernels kernels_;
    int threads_ = default_threads();
};

class Cpu final : public Implementation {
public:
    std::string name() const override { return "cpu"; }
    std::string description() const override {
        return "fused, vectorised, threaded; statistics in f64, the mean as a float pair";
    }
    Support supports(const Problem& p) const override {
        if (p.device != Device::host) return {"it works on host memory"};
        if (!is_kernel_dtype(p.dtype)) return {"it computes in f64 and f32"};
        if (p.spec.masked) return {"it has no mask: every element counts"};
        if (p.spec.thresholds()) return {"it has no threshold behind the norm"};
        if (p.spec.is_partial()) return {"its statistics are of whole blocks, not of a part"};
        if (!p.dense() && (p.spec.activates() || p.spec.affine_set != AffineSet::channel))
            return {"it has no strides beside an activation, or beside gamma and beta that are not one a channel"};
        const std::optional<Problem> seen = by_channel(p);
        if (!seen)
            return {
                "of gamma and beta that are not one a channel it has, channels first, an element's in blocks that are "
                "samples, and a sample's and channel's in blocks within a sample"};
        const std::optional<Setup> setup = setup_of(p, *seen);
        if (!setup && !p.dense())
            return {
                "of strides it has those between the long runs of blocks, and none within the runs of a dense tensor"};
        if (!setup) return {"its blocks are not of the row, slab or column kind"};
        if (p.shape.size() > 0 && !setup->has_output())
            return {
                "it writes y in another type than the data's in rows and long runs, not in the column kind, and has "
                "scales of 128 channels where these lie side by side in rows"};
        if (p.spec.casts() && p.shape.size() > 0 && setup->kernel == Kernel::column && !setup->has_few())
            return {"it rounds x_hat before gamma in blocks of long runs and of few elements, not in the column kind"};
        if (!p.spec.adds()) return {};
        if (p.residuals() != p.dtype || p.sees_unrounded())
            return {"it keeps the sum with a residual in the data's type, and normalizes it as it is stored"};
        if (p.shape.size() > 0 && (setup->kernel == Kernel::column || setup->has_few()))
            return {"it adds a residual to blocks of long runs alone, not to the column kind and not to few elements"};
        return {};
    }
    Accumulation accumulation(DType) const override { return Accumulation::kappa_free; }
    std::unique_ptr<Plan> plan(const Problem& p) const override { return std::make_unique<CpuPlan>(p); }
};

}  // namespace
}  // namespace normlab::cpu

namespace normlab {

std::unique_ptr<Implementation> make_cpu() { return std::make_unique<cpu::Cpu>(); }

}  // namespace normlab
