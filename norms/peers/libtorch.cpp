// libtorch's normalizations as a plug-in: the operations behind torch::batch_norm, layer_norm, group_norm,
// instance_norm and weight_norm, called without autograd. Compiled for the host; with NORMLAB_PEER_CUDA, against a
// libtorch that has CUDA, for devices.
#include <algorithm>
#include <cmath>
#include <optional>

#include <ATen/core/ivalue.h>  // before ATen.h: clang wants it complete there

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include "norms/peers/libtorch_memory.hpp"
#include "norms/peers/peer.hpp"
#include "norms/peers/threads.hpp"

#ifdef NORMLAB_PEER_CUDA
#include <c10/cuda/CUDAGuard.h>
#endif

namespace normlab::peers {
namespace {

#ifdef NORMLAB_PEER_CUDA
constexpr bool on_host = false;
#else
constexpr bool on_host = true;
#endif
constexpr at::DeviceType device = on_host ? at::kCPU : at::kCUDA;

enum class Op {
    batch,  // batch norm; instance norm that is given its statistics, which is the same
    rows,   // layer norm over the last axis in memory
    group,  // group norm; layer norm with a gamma a channel is one group, instance norm a group a channel
    weight
};

std::optional<Op> op_of(const normlab_problem& p) {
    const bool instance = is_centred(p, NORMLAB_POSITIONS);
    if (is_batch_norm(p) || (instance && is_given(p))) return Op::batch;
    if (is_layer_norm_of_rows(p)) return Op::rows;
    const bool group = is_centred(p, NORMLAB_CHANNELS | NORMLAB_POSITIONS);
    if (instance || group || is_centred(p, NORMLAB_GROUPS | NORMLAB_CHANNELS | NORMLAB_POSITIONS)) return Op::group;
    if (p.moments == NORMLAB_NORM && p.correction == NORMLAB_NO_CORRECTION &&
        p.block == (NORMLAB_SAMPLES | NORMLAB_POSITIONS))
        return Op::weight;
    return {};
}

at::ScalarType type_of(std::int32_t dtype) {
    return dtype == NORMLAB_F64    ? at::kDouble
           : dtype == NORMLAB_F32  ? at::kFloat
           : dtype == NORMLAB_BF16 ? at::kBFloat16
                                   : at::kHalf;
}

at::Tensor wrapped(const void* at, at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType type) {
    return at::from_blob(const_cast<void*>(at), sizes, strides, at::TensorOptions().dtype(type).device(device));
}
at::Tensor wrapped(const void* at, std::int64_t n, at::ScalarType type) { return wrapped(at, {n}, {1}, type); }

// A caller's array as a tensor, made anew only when the array is another: a libtorch user has tensors already.
struct Held {
    const void* at = nullptr;
    at::Tensor tensor;
};

}  // namespace
}  // namespace normlab::peers

using namespace normlab::peers;

struct normlab_plan {
    explicit normlab_plan(const normlab_problem& problem)
        : p(problem), op(*op_of(problem)), type(type_of(p.dtype)),
          params(p.dtype == NORMLAB_F64 ? at::kDouble : at::kFloat) {
        const Threads set(threads);
        // or its first operation sets OpenMP to one thread
        static const bool once = (at::set_num_threads(threads), true);
        static_cast<void>(once);
        const c10::InferenceMode mode;
        if (on_host) Pool::install();
        ones = at::ones({p.C}, at::TensorOptions().dtype(params).device(device));
        zeros = at::zeros_like(ones);
        if (p.running != NORMLAB_RUNNING_NONE) running_mean = at::empty_like(ones), running_var = at::empty_like(ones);
        const bool rows = op == Op::rows || (op == Op::weight && is_channels_last(p));  // [rows, C]
        if (rows) sizes = {p.N * p.S, p.C};
        else if (op == Op::weight && p.N == 1) sizes = {p.C, p.S};
        else if (p.S == 1) sizes = {p.N, p.C};
        else if (is_channels_last(p)) sizes = {p.N, p.C, p.S, 1}, strides = {p.S * p.C, 1, p.C, p.C};
        else sizes = {p.N, p.C, p.S};
        dim = op == Op::weight && !rows && p.N == 1 ? 0 : 1;
        if (!strides.empty()) return;
        strides.assign(sizes.size(), 1);
        for (std::size_t i = sizes.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * sizes[i];
    }

    const at::Tensor& view(Held& held, const void* at) {
        if (held.at != at) held = {at, wrapped(at, sizes, strides, type)};
        return held.tensor;
    }
    const at::Tensor& parameter(Held& held, const void* at, const at::Tensor& absent) {
        if (!at) return absent;
        if (held.at != at) held = {at, wrapped(at, p.C, params)};
        return held.tensor;
    }
    std::size_t tensor_bytes() const { return static_cast<std::size_t>(p.N * p.C * p.S) * c10::elementSize(type); }
    // f32 statistics between forward and backward: mean and rstd, or the running mean and variance that were given
    at::Tensor kept(const void* opaque, std::int64_t index) const {
        const std::size_t offset = static_cast<std::size_t>(index * p.statistics) * c10::elementSize(params);
        return wrapped(static_cast<const char*>(opaque) + offset, p.statistics, params);
    }
    std::size_t saved_bytes() const {  // weight norm: the norms
        return (op == Op::weight ? 1 : 2) * static_cast<std::size_t>(p.statistics) * c10::elementSize(params);
    }

    // A result into the caller's memory, where the allocator did not put it there.
    void deliver(const at::Tensor& result, Held& to, void* at) {
        const at::Tensor& target = view(to, at);
        const bool last = is_channels_last(p) && sizes.size() == 4;
        const bool as_wanted =
            result.is_contiguous(last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
        if (result.data_ptr() != at) target.copy_(result.view(sizes));
        else if (!as_wanted) target.copy_(result.clone());
    }
    void deliver(const at::Tensor& result, void* at) const {
        if (at) wrapped(at, p.C, params).copy_(result.view({p.C}));
    }
    void write(const at::Tensor& from, double* to) const {
        const at::Tensor flat = from.reshape({p.statistics});
        if (!on_host || flat.scalar_type() != at::kFloat) wrapped(to, p.statistics, at::kDouble).copy_(flat);
        else std::copy_n(flat.data_ptr<float>(), p.statistics, to);
    }

    void run_forward(const normlab_forward_args& a) {
        in_libtorch(a.stream, [&] { op == Op::weight ? forward_weight(a) : forward(a); });
    }
    void run_backward(const normlab_backward_args& a) {
        in_libtorch(a.stream, [&] { op == Op::weight ? backward_weight(a) : backward(a); });
    }

    // libtorch's settings for the length of a call.
    template <class F>
    void in_libtorch([[maybe_unused]] void* stream, F&& f) {
        const Threads set(threads);  // before libtorch's own setting, which is OpenMP's too
        if (at::get_num_threads() != threads) at::set_num_threads(threads);
        const c10::InferenceMode mode;
#ifdef NORMLAB_PEER_CUDA
        const c10::cuda::CUDAStreamGuard on(
            c10::cuda::getStreamFromExternal(static_cast<cudaStream_t>(stream), c10::cuda::current_device()));
#endif
        f();
    }

    void forward(const normlab_forward_args& a);
    void backward(const normlab_backward_args& a);
    void forward_weight(const normlab_forward_args& a);
    void backward_weight(const normlab_backward_args& a);

    normlab_problem p;
    Op op;
    at::ScalarType type, params;
    int threads = usual_threads();
    std::vector<std::int64_t> sizes, strides;
    std::int64_t dim = 1;  // of the channels
    at::Tensor ones, zeros, running_mean, running_var;
    Held x, y, dx, dy, gamma, beta;
};

void normlab_plan::forward(const normlab_forward_args& a) {
    const bool given = is_given(p), moves = p.mode == NORMLAB_TRAIN && p.running != NORMLAB_RUNNING_NONE;
    const at::Tensor &in = view(x, a.x), &g = parameter(gamma, a.gamma, ones), &b = parameter(beta, a.beta, zeros);
    std::tuple<at::Tensor, at::Tensor, at::Tensor> out;
    {
        const Pool::Place place(a.y == a.x ? nullptr : a.y, tensor_bytes());
        if (op == Op::rows) {
            out = at::native_layer_norm(in, {p.C}, g, b, p.eps);
        } else if (op == Op::group) {
            out = at::native_group_norm(in, g, b, p.N, p.C, p.S, p.block == NORMLAB_POSITIONS ? p.C : p.groups, p.eps);
        } else {
            if (given || moves) {
                running_mean.copy_(wrapped(a.state.mean, p.C, at::kDouble));
                running_var.copy_(wrapped(a.state.var, p.C, at::kDouble));
            }
            // as torch::nn::BatchNorm
            const double momentum =
                p.momentum >= 0 || !moves ? std::max(p.momentum, 0.0) : 1 / (1 + static_cast<double>(*a.state.count));
            out = at::native_batch_norm(in, g, b, running_mean, running_var, !given, momentum, p.eps);
        }
    }
    if (moves) {
        wrapped(a.state.mean, p.C, at::kDouble).copy_(running_mean);
        wrapped(a.state.var, p.C, at::kDouble).copy_(running_var);
        ++*a.state.count;
    }
    const at::Tensor mean = given ? running_mean : std::get<1>(out),
                     rstd = given ? at::rsqrt(running_var.to(at::kDouble) + p.eps) : std::get<2>(out);
    kept(a.saved.opaque, 0).copy_(mean.reshape({p.statistics}));
    kept(a.saved.opaque, 1).copy_(given ? running_var : rstd.reshape({p.statistics}));
    write(mean, a.saved.mean);
    write(rstd, a.saved.rstd);
    deliver(std::get<0>(out), y, a.y);
}

void normlab_plan::backward(const normlab_backward_args& a) {
    // libtorch 1's group norm has its backward pass in channels first only: autograd too hands it contiguous tensors
    const bool reordered = op == Op::group && is_channels_last(p);
    const at::Tensor in = reordered ? view(x, a.x).contiguous() : view(x, a.x),
                     from = reordered ? view(dy, a.dy).contiguous() : view(dy, a.dy);
    const at::Tensor &g = parameter(gamma, a.gamma, ones), first = kept(a.saved.opaque, 0),
                     second = kept(a.saved.opaque, 1);
    const std::array<bool, 3> wanted{a.dx != nullptr, a.dgamma != nullptr, a.dbeta != nullptr};
    std::tuple<at::Tensor, at::Tensor, at::Tensor> out;
    {
        const Pool::Place place(a.dx == a.dy || reordered ? nullptr : a.dx, tensor_bytes());
        if (op == Op::rows) {
            const at::Tensor mean = first.view({sizes[0], 1}), rstd = second.view({sizes[0], 1});
            out = at::native_layer_norm_backward(from, in, {p.C}, mean, rstd, g, zeros, wanted);
        } else if (op == Op::group) {
            const std::int64_t groups = p.block == NORMLAB_POSITIONS ? p.C : p.groups;
            out = at::native_group_norm_backward(from, in, first.view({p.N, groups}), second.view({p.N, groups}), g,
                                                 p.N, p.C, p.S, groups, wanted);
        } else {
            const bool given = is_given(p);
            const at::Tensor none;
            out = at::native_batch_norm_backward(from, in, g, given ? first : none, given ? second : none,
                                                 given ? none : first, given ? none : second, !given, p.eps, wanted);
        }
    }
    deliver(std::get<1>(out), a.dgamma);
    deliver(std::get<2>(out), a.dbeta);
    if (a.dx) deliver(std::get<0>(out), dx, a.dx);
}

// The elementary operations of at::_weight_norm and, below, of ATen's _weight_norm_differentiable_backward, for any dim
// and with results written where they are wanted. libtorch's fused kernel, _weight_norm_interface (dim first or last),
// is faster and returns new tensors.
void normlab_plan::forward_weight(const normlab_forward_args& a) {
    const at::Tensor &v = view(x, a.x), out = view(y, a.y);
    const at::Tensor norm = at::norm_except_dim(v, 2, dim);
    at::Tensor w = out;
    at::mul_out(w, v, parameter(gamma, a.gamma, ones).view(norm.sizes()) / norm);
    if (a.beta) w.add_(parameter(beta, a.beta, zeros).view(norm.sizes()));
    kept(a.saved.opaque, 0).copy_(norm.reshape({p.C}));
    write(at::zeros({p.C}, norm.options()), a.saved.mean);
    write(norm.reciprocal(), a.saved.rstd);
}

void normlab_plan::backward_weight(const normlab_backward_args& a) {
    const at::Tensor &v = view(x, a.x), &dw = view(dy, a.dy);
    std::vector<std::int64_t> one_each(sizes.size(), 1), others;
    one_each[static_cast<std::size_t>(dim)] = p.C;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(sizes.size()); ++i)
        if (i != dim) others.push_back(i);
    const at::Tensor norm = kept(a.saved.opaque, 0).view(one_each), g = parameter(gamma, a.gamma, ones).view(one_each);
    const at::Tensor along = (dw * v).sum(others, true);
    deliver(along / norm, a.dgamma);
    if (a.dbeta) deliver(dw.sum(others, true), a.dbeta);
    if (!a.dx) return;
    at::Tensor dv = view(dx, a.dx);
    at::addcmul_out(dv, dw, v, along / (norm * norm), -1).mul_(g / norm);
}

namespace normlab::peers {
namespace {

const char* supports(const normlab_problem* p) {
    if (p->epilogue) return "no epilogues";
    const std::optional<Op> op = op_of(*p);
    if (!op) return "libtorch 1 has batch, layer, instance, group and weight norm";
    if (on_host && p->dtype == NORMLAB_F16) return "libtorch 1 normalises f64, f32 and bf16 on CPUs";
    if (on_host && p->dtype == NORMLAB_BF16 && *op != Op::batch)
        return "libtorch 1 takes f32 gamma and beta with bf16 data in batch norm only, on CPUs";
    if (p->stat_batch) return "one normalisation batch in a call";
    if (*op == Op::group && p->running != NORMLAB_RUNNING_NONE)
        return "torch::instance_norm that keeps running statistics returns none for a backward pass of its own";
    if (p->running != NORMLAB_RUNNING_NONE && p->running != NORMLAB_RUNNING_UNBIASED_VARIANCE)
        return "it keeps a running mean and unbiased variance";
    return nullptr;
}

int set_threads(normlab_plan* plan, int threads) {
    plan->threads = threads;
    return 0;
}

const char* available() { return on_host || at::hasCUDA() ? nullptr : "libtorch sees no CUDA device"; }

}  // namespace
}  // namespace normlab::peers

NORMLAB_EXPORT const normlab_plugin* normlab_plugin_entry(uint32_t, const char*) {
    static const normlab_plugin table = [] {
        normlab_plugin t = table_of<normlab_plan>();
        t.name = on_host ? "libtorch" : "libtorch_cuda",
        t.description = "batch, layer, instance, group and weight norm of libtorch " TORCH_VERSION;
        t.device = on_host ? NORMLAB_HOST : NORMLAB_CUDA;
        t.saves = NORMLAB_SAVES_MEAN | NORMLAB_SAVES_RSTD, t.updates_state = 1;
        t.available = available, t.supports = supports, t.set_threads = set_threads;
        return t;
    }();
    return &table;
}
