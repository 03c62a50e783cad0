#include "norms/cuda/runtime.hpp"

#include <new>

#include "norms/cuda/check.hpp"

namespace normlab::cuda {
namespace {

// Kernels are compiled for compute capability 8.0, and 9.0 with PTX for later ones.
constexpr int least_capability = 8;

std::string why_not() {
    int devices = 0, driver = 0, major = 0;
    cudaError_t status = cudaGetDeviceCount(&devices);
    if (status == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0)
        return "no CUDA driver is installed";
    if (status == cudaSuccess && devices == 0) return "the CUDA driver sees no device";
    if (status == cudaSuccess) status = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
    if (status != cudaSuccess) return std::string("CUDA driver: ") + cudaGetErrorString(status);
    if (major < least_capability)
        return "the device has compute capability " + std::to_string(major) + ".x; 8.0 or later is accepted";
    return {};
}

}  // namespace

const Support& available() {
    static const Support support{why_not()};
    return support;
}

void* allocate(std::size_t bytes) {
    void* data = nullptr;
    const cudaError_t status = cudaMalloc(&data, bytes);
    if (status == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();  // otherwise the next launch would report it
        throw std::bad_alloc();
    }
    NORMLAB_CUDA(status);
    return data;
}

// in destructors; what failed earlier is reported by synchronize
void release(void* data) noexcept { (void)cudaFree(data); }

void copy(void* to, const void* from, std::size_t bytes) {
    NORMLAB_CUDA(cudaDeviceSynchronize());  // cudaMemcpy does not wait for streams that were created non-blocking
    NORMLAB_CUDA(cudaMemcpy(to, from, bytes, cudaMemcpyDefault));
    NORMLAB_CUDA(cudaDeviceSynchronize());  // nor always for its own end between two places on the device
}

void enqueue_copy(void* to, const void* from, std::size_t bytes, void* stream) {
    NORMLAB_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream)));
}

void clear(void* data, std::size_t bytes, void* stream) {
    NORMLAB_CUDA(cudaMemsetAsync(data, 0, bytes, static_cast<cudaStream_t>(stream)));
}

void synchronize() { NORMLAB_CUDA(cudaDeviceSynchronize()); }

void* new_stream() {
    cudaStream_t stream = nullptr;
    NORMLAB_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
}

void release_stream(void* stream) noexcept {
    if (stream) (void)cudaStreamDestroy(static_cast<cudaStream_t>(stream));
}

void* new_event() {
    cudaEvent_t event = nullptr;
    NORMLAB_CUDA(cudaEventCreate(&event));
    return event;
}

void release_event(void* event) noexcept {
    if (event) (void)cudaEventDestroy(static_cast<cudaEvent_t>(event));
}

void record(void* event, void* stream) {
    NORMLAB_CUDA(cudaEventRecord(static_cast<cudaEvent_t>(event), static_cast<cudaStream_t>(stream)));
}

double seconds_between(void* begin, void* end) {
    float milliseconds = 0;
    NORMLAB_CUDA(cudaEventSynchronize(static_cast<cudaEvent_t>(end)));
    NORMLAB_CUDA(cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(begin), static_cast<cudaEvent_t>(end)));
    return 1e-3 * static_cast<double>(milliseconds);
}

DeviceInfo describe() {
    int device = 0, cache = 0, multiprocessors = 0;
    cudaDeviceProp properties{};
    NORMLAB_CUDA(cudaGetDevice(&device));
    NORMLAB_CUDA(cudaGetDeviceProperties(&properties, device));
    NORMLAB_CUDA(cudaDeviceGetAttribute(&cache, cudaDevAttrL2CacheSize, device));
    NORMLAB_CUDA(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
    std::size_t unused = 0, all = 0;
    NORMLAB_CUDA(cudaMemGetInfo(&unused, &all));
    return {properties.name, static_cast<std::size_t>(cache), unused, multiprocessors};
}

}  // namespace normlab::cuda
