// The implementation `cuda`: which kernels run for a problem, in which order, on which part of the workspace. All are
// enqueued on the caller's stream and nothing is waited for.
#include <algorithm>

#include "norms/cuda/operations.hpp"
#include "norms/cuda/runtime.hpp"
#include "norms/element.hpp"
#include "norms/implementation.hpp"
#include "norms/names.hpp"

namespace normlab {
namespace cuda {
namespace {

template <class Op>
void run_parts(const Blocks& blocks, const Op& op, typename Op::Value::Partial* partials, bool centred, void* stream) {
    if (blocks.launch.kernel == Kernel::slab) run_slab(blocks, op, partials, centred, stream);
    else run_column(blocks, op, partials, centred, stream);
}

class CudaPlan final : public Plan {
public:
    explicit CudaPlan(const Problem&);
    std::size_t workspace_bytes() const override {
        return partial_bytes_ + static_cast<std::size_t>(blocks_.count()) * (sizeof(Means) + sizeof(Sums));
    }
    void forward(const ForwardArgs&) const override;
    void backward(const BackwardArgs&) const override;

private:
    template <class S>
    void forward_of(const ForwardArgs&) const;
    template <class S>
    void backward_of(const BackwardArgs&) const;
    template <class S>
    void parameter_gradients(const BackwardArgs&) const;

    // workspace: partial results of parts, then two arrays with an entry a block
    template <class V>
    V* partials(void* workspace) const {
        return static_cast<V*>(workspace);
    }
    Means* means(void* workspace) const {
        return reinterpret_cast<Means*>(static_cast<std::byte*>(workspace) + partial_bytes_);
    }
    Sums* shares(void* workspace) const { return reinterpret_cast<Sums*>(means(workspace) + blocks_.count()); }

    Problem p_;
    Rule rule_;
    Blocks blocks_, channels_;  // channels_: what dgamma and dbeta sum over
    StatisticRule statistic_rule_;
    std::size_t partial_bytes_ = 0;
};

CudaPlan::CudaPlan(const Problem& p) : p_(p) {
    if (p.shape.size() == 0) {
        blocks_.geometry.outer = 0;
        return;
    }
    rule_.size = static_cast<double>(p.block_size());
    rule_.divisor = p.spec.moments == normlab::Moments::norm ? 1 : rule_.size;
    rule_.eps = p.spec.eps;
    rule_.centred = p.spec.centred();
    rule_.own = p.own_statistics();
    const auto blocks_of = [&](const BlockLayout& layout, bool rows) {
        return Blocks{layout.blocks, layout.params,
                      rows ? launch_for(layout.blocks, p.dtype) : launch_in_parts(layout.blocks, p.dtype)};
    };
    Problem whole_channels = p;
    whole_channels.spec.block = {.samples = true, .positions = true};
    whole_channels.spec.stat_batch = 0;
    blocks_ = blocks_of(block_layout(p).value(), true);
    channels_ = blocks_of(block_layout(whole_channels).value(), false);
    statistic_rule_ = statistic_rule(p);
    const auto bytes = [](const Blocks& b, std::size_t size) {
        return static_cast<std::size_t>(cuda::partials(b.geometry, b.launch)) * size;
    };
    partial_bytes_ =
        std::max(bytes(blocks_, sizeof(Moments)), blocks_.one_channel() ? 0 : bytes(channels_, sizeof(Sums)));
}

void CudaPlan::forward(const ForwardArgs& args) const {
    if (p_.shape.size() > 0) with_storage_type(p_.dtype, [&](auto tag) { forward_of<decltype(tag)>(args); });
}

template <class S>
void CudaPlan::forward_of(const ForwardArgs& args) const {
    using T = Compute<S>;
    const S* x = static_cast<const S*>(args.x.data);
    const TakeMoments<S> take{x, rule_.centred};
    const Normalise<S> normalise{x, static_cast<S*>(args.y.data), static_cast<const T*>(args.affine.gamma),
                                 static_cast<const T*>(args.affine.beta), args.saved};
    const bool row = blocks_.launch.kernel == Kernel::row, fused = row && rule_.own && !p_.has_correction();
    if (!rule_.own) {
        give_statistics(p_.spec, p_.shape.C, args.state, args.saved, args.stream);
    } else if (row) {
        run_row_forward(blocks_, rule_, take, normalise, args.saved, true, fused, args.stream);
    } else {
        run_parts(blocks_, take, partials<Moments>(args.workspace), rule_.centred, args.stream);
        finish_moments(blocks_, rule_, partials<Moments>(args.workspace), args.saved, args.stream);
    }
    if (p_.mode == Mode::train && p_.spec.running != Running::none) move_state(p_, args.state, args.saved, args.stream);
    if (fused) return;
    if (row) run_row_forward(blocks_, rule_, take, normalise, args.saved, false, true, args.stream);
    else run_parts(blocks_, normalise, nullptr, rule_.centred, args.stream);
}

void CudaPlan::backward(const BackwardArgs& args) const {
    if (p_.shape.size() > 0) return with_storage_type(p_.dtype, [&](auto tag) { backward_of<decltype(tag)>(args); });
    const std::size_t bytes = static_cast<std::size_t>(p_.shape.C) * size_of(p_.params());
    for (void* p : {args.gradients.dgamma, args.gradients.dbeta})
        if (p) clear(p, bytes, args.stream);
}

// Where a block has several channels: a second reduction, over whole channels. Before dx is written, which may be dy.
template <class S>
void CudaPlan::parameter_gradients(const BackwardArgs& args) const {
    using T = Compute<S>;
    const SumParameters<S> sum{static_cast<const S*>(args.x.data), static_cast<const S*>(args.dy.data), args.saved,
                               statistic_rule_};
    Sums* partial = partials<Sums>(args.workspace);
    const Launch& l = channels_.launch;
    run_parts(channels_, sum, partial, rule_.centred, args.stream);
    finish_parameters(partial, l.splits, l.width, l.per_block, p_.shape.C, static_cast<T*>(args.gradients.dgamma),
                      static_cast<T*>(args.gradients.dbeta), args.stream);
}

template <class S>
void CudaPlan::backward_of(const BackwardArgs& args) const {
    using T = Compute<S>;
    const S *x = static_cast<const S*>(args.x.data), *dy = static_cast<const S*>(args.dy.data);
    const T* gamma = static_cast<const T*>(args.affine.gamma);
    S* dx = static_cast<S*>(args.gradients.dx.data);
    T *dgamma = static_cast<T*>(args.gradients.dgamma), *dbeta = static_cast<T*>(args.gradients.dbeta);
    const bool one_channel = blocks_.one_channel(), parameters = dgamma || dbeta, needs_means = rule_.own && dx;
    if (parameters && !one_channel) parameter_gradients<S>(args);

    const bool share = parameters && one_channel, reduce = needs_means || share;
    Sums* shares_of_blocks = share ? shares(args.workspace) : nullptr;
    Means* means_of_blocks = needs_means ? means(args.workspace) : nullptr;
    const SumGradients<S> sum{x, dy, gamma, !one_channel, args.saved};
    const Differentiate<S> differentiate{x, dy, dx, gamma, args.saved, means_of_blocks, rule_};
    if (blocks_.launch.kernel == Kernel::row) {
        if (reduce || dx)
            run_row_backward(blocks_, sum, differentiate, shares_of_blocks, reduce, dx != nullptr, args.stream);
    } else {
        if (reduce) {
            run_parts(blocks_, sum, partials<Sums>(args.workspace), rule_.centred, args.stream);
            finish_sums(blocks_, rule_, partials<Sums>(args.workspace), one_channel ? gamma : nullptr, args.saved,
                        means_of_blocks, shares_of_blocks, args.stream);
        }
        if (dx) run_parts(blocks_, differentiate, nullptr, rule_.centred, args.stream);
    }
    const Geometry& g = blocks_.geometry;  // with C = 1 several blocks of one outer index may be of the one channel
    if (share)
        finish_parameters(shares_of_blocks, g.outer, g.inner, g.inner / p_.shape.C, p_.shape.C, dgamma, dbeta,
                          args.stream);
}

class Cuda final : public Implementation {
public:
    std::string name() const override { return "cuda"; }
    std::string description() const override { return "CUDA kernels row, slab and column"; }
    Device device() const override { return Device::cuda; }
    Support available() const override { return cuda::available(); }
    Support supports(const Problem& p) const override {
        if (!is_kernel_dtype(p.dtype)) return {"has kernels for " + kernel_dtype_names()};
        if (!p.dense()) return {"wants dense tensors"};
        if (!p.spec.plain()) return {"has kernels for sqrt(var + eps) alone, with no other denominator or divisor"};
        if (p.spec.gamma_offset != 0) return {"has no kernels that add an offset to gamma"};
        if (p.spec.adds()) return {"has no kernels that add a residual before the norm"};
        if (p.spec.activates()) return {"has no kernels with an activation behind the norm"};
        if (is_narrow(p.params())) return {"has kernels for gamma and beta of f32 (f64 for f64) alone"};
        if (p.spec.affine_set != AffineSet::channel) return {"has kernels for gamma and beta one a channel"};
        if (p.spec.casts()) return {"has no kernels that round x_hat before gamma"};
        if (p.spec.masked) return {"has no kernels that leave out what a mask says"};
        if (p.spec.is_partial()) return {"has kernels whose statistics are of whole blocks, not of a part"};
        if (p.outputs() != p.dtype) return {"has no kernels that write y in another type than the data's"};
        if (p.shape.size() > 0 && !block_layout(p))
            return {"has no kernel for blocks that keep channels and positions apart"};
        return {};
    }
    Accumulation accumulation(DType) const override { return Accumulation::kappa_free; }
    bool updates_state() const override { return true; }
    std::unique_ptr<Plan> plan(const Problem& p) const override { return std::make_unique<CudaPlan>(p); }
};

}  // namespace
}  // namespace cuda

std::unique_ptr<Implementation> make_cuda() { return std::make_unique<cuda::Cuda>(); }

}  // namespace normlab
