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

class CpuPlan final : public Plan {
public:
    CpuPlan(const Problem& problem, const BlockLayout& layout)
        : setup_(problem, layout), kernels_(best_kernels(problem.dtype)) {}
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
        if (!p.dense) return {"it wants dense tensors"};
        const std::optional<Problem> seen = by_channel(p);
        if (!seen)
            return {
                "of gamma and beta that are not one a channel it has, channels first, an element's in blocks that are "
                "samples, and a sample's and channel's in blocks within a sample"};
        const std::optional<BlockLayout> layout = p.shape.size() > 0 ? block_layout(*seen) : BlockLayout{};
        if (!layout) return {"its blocks are not of the row, slab or column kind"};
        if (!p.spec.adds()) return {};
        if (p.residuals() != p.dtype || p.sees_unrounded())
            return {"it keeps the sum with a residual in the data's type, and normalizes it as it is stored"};
        if (const Setup setup(*seen, *layout);
            p.shape.size() > 0 && (setup.kernel == Kernel::column || setup.has_few()))
            return {"it adds a residual to blocks of long runs alone, not to the column kind and not to few elements"};
        return {};
    }
    Accumulation accumulation(DType) const override { return Accumulation::kappa_free; }
    std::unique_ptr<Plan> plan(const Problem& p) const override {
        const Problem seen = *by_channel(p);
        return std::make_unique<CpuPlan>(seen, p.shape.size() > 0 ? *block_layout(seen) : BlockLayout{});
    }
};

}  // namespace
}  // namespace normlab::cpu

namespace normlab {

std::unique_ptr<Implementation> make_cpu() { return std::make_unique<cpu::Cpu>(); }

}  // namespace normlab
