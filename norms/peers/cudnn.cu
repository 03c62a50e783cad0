// cuDNN's batch norm as a plug-in, training only: for evaluation it has no backward pass. Its statistics are f32 and
// stay in the opaque part of what is saved; running statistics are converted around the call, on the stream. Not run on
// hardware yet.
#include <memory>
#include <stdexcept>

#include <cudnn.h>

#include "norms/peers/peer.hpp"

namespace normlab::peers {
namespace {

void check(cudnnStatus_t status) {
    if (status != CUDNN_STATUS_SUCCESS) throw std::runtime_error(cudnnGetErrorString(status));
}
void check(cudaError_t status) {
    if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

cudnnHandle_t handle() {
    static const cudnnHandle_t made = [] {
        cudnnHandle_t h = nullptr;
        check(cudnnCreate(&h));
        return h;
    }();
    return made;
}

template <class To, class From>
__global__ void convert(To* to, const From* from, std::int64_t n) {
    const std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) to[i] = static_cast<To>(from[i]);
}
__global__ void fill(float* to, float value, std::int64_t n) {
    const std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) to[i] = value;
}
constexpr unsigned block = 256;
unsigned blocks(std::int64_t n) { return static_cast<unsigned>((n + block - 1) / block); }

struct Descriptor {
    Descriptor() { check(cudnnCreateTensorDescriptor(&value)); }
    ~Descriptor() { cudnnDestroyTensorDescriptor(value); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    cudnnTensorDescriptor_t value = nullptr;
};

std::size_t whole_lines(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

}  // namespace
}  // namespace normlab::peers

using namespace normlab::peers;

struct normlab_plan {
    explicit normlab_plan(const normlab_problem& problem) : p(problem) {
        const bool last = is_channels_last(p);
        // as PyTorch chooses: the persistent kernels for channels last, one statistic an activation where there are no
        // positions
        mode = p.S == 1 ? CUDNN_BATCHNORM_PER_ACTIVATION
               : last   ? CUDNN_BATCHNORM_SPATIAL_PERSISTENT
                        : CUDNN_BATCHNORM_SPATIAL;
        const cudnnDataType_t type = p.dtype == NORMLAB_F32    ? CUDNN_DATA_FLOAT
                                     : p.dtype == NORMLAB_BF16 ? CUDNN_DATA_BFLOAT16
                                                               : CUDNN_DATA_HALF;
        check(cudnnSetTensor4dDescriptor(tensor.value, last ? CUDNN_TENSOR_NHWC : CUDNN_TENSOR_NCHW, type,
                                         static_cast<int>(p.N), static_cast<int>(p.C), 1, static_cast<int>(p.S)));
        check(cudnnDeriveBNTensorDescriptor(parameter.value, tensor.value, mode));
        std::size_t forward = 0, backward = 0;
        constexpr auto ops = CUDNN_BATCHNORM_OPS_BN;
        check(cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(
            handle(), mode, ops, tensor.value, nullptr, tensor.value, parameter.value, nullptr, &forward));
        check(cudnnGetBatchNormalizationBackwardExWorkspaceSize(handle(), mode, ops, tensor.value, nullptr,
                                                                tensor.value, nullptr, tensor.value, parameter.value,
                                                                nullptr, &backward));
        check(
            cudnnGetBatchNormalizationTrainingExReserveSpaceSize(handle(), mode, ops, nullptr, tensor.value, &reserve));
        cudnn_workspace = whole_lines(forward > backward ? forward : backward);
        channel = whole_lines(static_cast<std::size_t>(p.C) * sizeof(float));
    }

    // workspace: cuDNN's own; ones, zeros; two arrays of C; a tensor, for a dx that nobody wants
    std::size_t workspace_bytes() const {
        return cudnn_workspace + 4 * channel +
               static_cast<std::size_t>(p.N * p.C * p.S) * (p.dtype == NORMLAB_F32 ? 4 : 2);
    }
    float* row(void* workspace, std::size_t i) const {
        return reinterpret_cast<float*>(static_cast<char*>(workspace) + cudnn_workspace + i * channel);
    }
    // opaque: mean, 1 / sqrt(variance + eps), cuDNN's own
    std::size_t saved_bytes() const { return 2 * channel + reserve; }
    float* statistic(void* opaque, std::size_t i) const {
        return reinterpret_cast<float*>(static_cast<char*>(opaque) + i * channel);
    }
    void* reserved(void* opaque) const { return static_cast<char*>(opaque) + 2 * channel; }

    const void* or_filled(const void* parameter_at, float* instead, float value, cudaStream_t stream) const {
        if (!parameter_at) fill<<<blocks(p.C), block, 0, stream>>>(instead, value, p.C);
        return parameter_at ? parameter_at : instead;
    }

    void run_forward(const normlab_forward_args& a) {
        const auto stream = static_cast<cudaStream_t>(a.stream);
        check(cudnnSetStream(handle(), stream));
        const bool moves = p.running != NORMLAB_RUNNING_NONE;
        float *mean = moves ? row(a.workspace, 2) : nullptr, *var = moves ? row(a.workspace, 3) : nullptr;
        if (moves) {
            convert<<<blocks(p.C), block, 0, stream>>>(mean, a.state.mean, p.C);
            convert<<<blocks(p.C), block, 0, stream>>>(var, a.state.var, p.C);
        }
        const double momentum = p.momentum >= 0 || !moves ? (p.momentum >= 0 ? p.momentum : 0)
                                                          : 1 / (1 + static_cast<double>(*a.state.count));
        const float one = 1, zero = 0;
        check(cudnnBatchNormalizationForwardTrainingEx(
            handle(), mode, CUDNN_BATCHNORM_OPS_BN, &one, &zero, tensor.value, a.x, nullptr, nullptr, tensor.value, a.y,
            parameter.value, or_filled(a.gamma, row(a.workspace, 0), 1, stream),
            or_filled(a.beta, row(a.workspace, 1), 0, stream), momentum, mean, var, p.eps, statistic(a.saved.opaque, 0),
            statistic(a.saved.opaque, 1), nullptr, a.workspace, cudnn_workspace, reserved(a.saved.opaque), reserve));
        if (moves) {
            convert<<<blocks(p.C), block, 0, stream>>>(a.state.mean, mean, p.C);
            convert<<<blocks(p.C), block, 0, stream>>>(a.state.var, var, p.C);
            ++*a.state.count;
        }
        check(cudaGetLastError());
    }

    void run_backward(const normlab_backward_args& a) {
        const auto stream = static_cast<cudaStream_t>(a.stream);
        check(cudnnSetStream(handle(), stream));
        const float one = 1, zero = 0;
        void *opaque = a.saved.opaque, *dx = a.dx ? a.dx : row(a.workspace, 4);
        check(cudnnBatchNormalizationBackwardEx(
            handle(), mode, CUDNN_BATCHNORM_OPS_BN, &one, &zero, &one, &zero, tensor.value, a.x, nullptr, nullptr,
            tensor.value, a.dy, nullptr, nullptr, tensor.value, dx, parameter.value,
            or_filled(a.gamma, row(a.workspace, 0), 1, stream), nullptr, a.dgamma ? a.dgamma : row(a.workspace, 2),
            a.dbeta ? a.dbeta : row(a.workspace, 3), p.eps, statistic(opaque, 0), statistic(opaque, 1), nullptr,
            a.workspace, cudnn_workspace, reserved(opaque), reserve));
        check(cudaGetLastError());
    }

    normlab_problem p;
    cudnnBatchNormMode_t mode = CUDNN_BATCHNORM_SPATIAL;
    Descriptor tensor, parameter;
    std::size_t reserve = 0, cudnn_workspace = 0, channel = 0;
};

namespace normlab::peers {
namespace {

const char* available() {
    int devices = 0;
    if (const cudaError_t status = cudaGetDeviceCount(&devices); status != cudaSuccess)
        return cudaGetErrorString(status);
    return devices ? nullptr : "no CUDA device";
}

const char* supports(const normlab_problem* p) {
    if (p->epilogue) return "no epilogues";
    if (!is_batch_norm(*p)) return "cuDNN's normalization operations are batch norms";
    if (p->dtype != NORMLAB_F32 && p->dtype != NORMLAB_BF16 && p->dtype != NORMLAB_F16) return "f32, bf16 and f16";
    if (is_given(*p)) return "cuDNN has no backward pass of evaluation";
    if (p->stat_batch) return "one normalisation batch in a call";
    if (p->running != NORMLAB_RUNNING_NONE && p->running != NORMLAB_RUNNING_UNBIASED_VARIANCE)
        return "it keeps a running mean and unbiased variance";
    if (p->N * p->C * p->S > INT32_MAX) return "up to 2^31 - 1 elements";
    if (const char* reason = available()) return reason;
    return status_of([&] { const normlab_plan plan(*p); }) ? last_plugin_error() : nullptr;
}

}  // namespace
}  // namespace normlab::peers

NORMLAB_EXPORT const normlab_plugin* normlab_plugin_entry(uint32_t, const char*) {
    static const std::string description = "batch norm of cuDNN " + std::to_string(cudnnGetVersion());
    static const normlab_plugin table = [] {
        normlab_plugin t = table_of<normlab_plan>();
        t.name = "cudnn", t.description = description.c_str();
        t.device = NORMLAB_CUDA, t.updates_state = 1;
        t.available = available, t.supports = supports;
        t.workspace_bytes = [](const normlab_plan* plan) { return plan->workspace_bytes(); };
        return t;
    }();
    return &table;
}
