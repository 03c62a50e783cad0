// Layer norm in CUDA, as a plug-in for normlab: a block of threads for each sample. plugin.h is a copy of
// norms/plugin.h beside this file.
//
//     nvcc -O2 -shared -Xcompiler -fPIC layer_norm.cu -o layer_norm_cuda.so
//     normlab verify --plugin ./layer_norm_cuda.so
#include <cstring>

#include "plugin.h"

struct normlab_plan {
    int64_t N, C, S;
    bool last;
    double eps;
};

namespace {

constexpr int threads = 256;
using Plan = normlab_plan;

// The sum of every thread's v, in an order that does not depend on timing.
__device__ double block_sum(double v) {
    __shared__ double part[threads];
    part[threadIdx.x] = v;
    for (int half = threads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }
    __syncthreads();
    const double sum = part[0];
    __syncthreads();
    return sum;
}
__device__ int64_t channel(const Plan& p, int64_t k) { return p.last ? k % p.C : k / p.S; }

__global__ void forward_rows(Plan p, const float* x, const float* gamma, const float* beta, normlab_saved saved,
                             float* y) {
    const int64_t n = blockIdx.x, m = p.C * p.S;  // m elements of a sample share one mean and one variance
    double sum = 0, squares = 0;
    for (int64_t k = threadIdx.x; k < m; k += threads) sum += x[n * m + k];
    const double mean = block_sum(sum) / m;
    for (int64_t k = threadIdx.x; k < m; k += threads) squares += (x[n * m + k] - mean) * (x[n * m + k] - mean);
    const double var = block_sum(squares) / m, rstd = var + p.eps == 0 ? 0 : 1 / sqrt(var + p.eps);
    for (int64_t k = threadIdx.x; k < m; k += threads) {  // y may be x
        const int64_t c = channel(p, k);
        y[n * m + k] = (float)((gamma ? gamma[c] : 1) * ((x[n * m + k] - mean) * rstd) + (beta ? beta[c] : 0));
    }
    if (threadIdx.x == 0) saved.mean[n] = mean, saved.var[n] = var, saved.rstd[n] = rstd;
}

__global__ void backward_channels(Plan p, const float* x, const float* dy, normlab_saved saved, float* dgamma,
                                  float* dbeta) {
    const int64_t c = blockIdx.x;
    double sum_dy = 0, sum_dy_xhat = 0;
    for (int64_t k = threadIdx.x; k < p.N * p.S; k += threads) {
        const int64_t n = k / p.S, s = k % p.S, i = n * p.C * p.S + (p.last ? s * p.C + c : c * p.S + s);
        sum_dy += dy[i], sum_dy_xhat += dy[i] * ((x[i] - saved.mean[n]) * saved.rstd[n]);
    }
    sum_dy = block_sum(sum_dy), sum_dy_xhat = block_sum(sum_dy_xhat);
    if (threadIdx.x == 0 && dgamma) dgamma[c] = (float)sum_dy_xhat;
    if (threadIdx.x == 0 && dbeta) dbeta[c] = (float)sum_dy;
}

__global__ void backward_rows(Plan p, const float* x, const float* dy, const float* gamma, normlab_saved saved,
                              float* dx) {
    const int64_t n = blockIdx.x, m = p.C * p.S;
    const double mean = saved.mean[n], rstd = saved.rstd[n];
    double sum_g = 0, sum_g_xhat = 0;
    for (int64_t k = threadIdx.x; k < m; k += threads) {
        const double g = (gamma ? gamma[channel(p, k)] : 1) * (double)dy[n * m + k];
        sum_g += g, sum_g_xhat += g * ((x[n * m + k] - mean) * rstd);
    }
    const double mean_g = block_sum(sum_g) / m, mean_g_xhat = block_sum(sum_g_xhat) / m;
    for (int64_t k = threadIdx.x; k < m; k += threads) {  // dx may be dy
        const double g = (gamma ? gamma[channel(p, k)] : 1) * (double)dy[n * m + k];
        dx[n * m + k] = (float)(rstd * (g - mean_g - (x[n * m + k] - mean) * rstd * mean_g_xhat));
    }
}

int forward(normlab_plan* p, const normlab_forward_args* a) {
    forward_rows<<<(unsigned)p->N, threads, 0, (cudaStream_t)a->stream>>>(
        *p, (const float*)a->x, (const float*)a->gamma, (const float*)a->beta, a->saved, (float*)a->y);
    return cudaGetLastError();
}
int backward(normlab_plan* p, const normlab_backward_args* a) {
    const float *x = (const float*)a->x, *dy = (const float*)a->dy;
    const cudaStream_t stream = (cudaStream_t)a->stream;
    if (a->dgamma || a->dbeta)
        backward_channels<<<(unsigned)p->C, threads, 0, stream>>>(*p, x, dy, a->saved, (float*)a->dgamma,
                                                                  (float*)a->dbeta);
    if (a->dx)
        backward_rows<<<(unsigned)p->N, threads, 0, stream>>>(*p, x, dy, (const float*)a->gamma, a->saved,
                                                              (float*)a->dx);
    return cudaGetLastError();
}

const char* available() {
    int count = 0;
    return cudaGetDeviceCount(&count) == cudaSuccess && count > 0 ? nullptr : "no CUDA device";
}
const char* supports(const normlab_problem* p) {
    const bool served =
        !std::strcmp(p->variant, "layer_norm") && p->dtype == NORMLAB_F32 && p->device == NORMLAB_CUDA && !p->epilogue;
    return !served                                  ? "layer norm in float on a CUDA device only"
           : p->N > 2147483647 || p->C > 2147483647 ? "up to 2^31 - 1 samples and channels"
                                                    : nullptr;
}

}  // namespace

const normlab_plugin* normlab_plugin_entry(uint32_t, const char*) {
    static normlab_plugin t{};
    t.size = sizeof t, t.version = NORMLAB_PLUGIN_VERSION, t.name = "layer_norm_cuda",
    t.description = "layer norm in plain CUDA, sums in double";
    t.device = NORMLAB_CUDA, t.saves = NORMLAB_SAVES_MEAN | NORMLAB_SAVES_VAR | NORMLAB_SAVES_RSTD;
    t.accumulation[NORMLAB_F32] = NORMLAB_KAPPA_FREE;  // in double, and x - mean too: no error grows with mean / sigma
    t.available = available, t.supports = supports;
    t.create = [](const normlab_problem* p, normlab_plan** plan) {
        return *plan = new normlab_plan{p->N, p->C, p->S, p->layout == NORMLAB_CHANNELS_LAST, p->eps}, 0;
    };
    t.destroy = [](normlab_plan* p) { delete p; };
    t.forward = forward, t.backward = backward;
    return &t;
}
