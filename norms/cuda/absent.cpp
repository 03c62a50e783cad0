// Stands in for the CUDA kernels where there is no nvcc: the implementation is listed, with the reason why it cannot
// run.
#include <new>

#include "norms/cuda/runtime.hpp"
#include "norms/implementation.hpp"
#include "system/failure.hpp"

namespace normlab {
namespace cuda {

const Support& available() {
    static const Support absent{"built without CUDA (" NORMLAB_CUDA_ABSENT "): everything runs on the CPU"};
    return absent;
}
void* allocate(std::size_t) { throw std::bad_alloc(); }
void release(void*) noexcept {}
void copy(void*, const void*, std::size_t) { throw Failure(available().reason); }
void enqueue_copy(void*, const void*, std::size_t, void*) { throw Failure(available().reason); }
void synchronize() {}
void* new_stream() { return nullptr; }
void release_stream(void*) noexcept {}
void* new_event() { return nullptr; }
void release_event(void*) noexcept {}
void record(void*, void*) {}
void clear(void*, std::size_t, void*) {}
double seconds_between(void*, void*) { return 0; }
DeviceInfo describe() { return {}; }

namespace {

class Cuda final : public Implementation {
public:
    std::string name() const override { return "cuda"; }
    std::string description() const override { return "CUDA kernels"; }
    Device device() const override { return Device::cuda; }
    Support available() const override { return cuda::available(); }
    Support supports(const Problem&) const override { return cuda::available(); }
    std::unique_ptr<Plan> plan(const Problem&) const override { throw Failure(cuda::available().reason); }
};

}  // namespace
}  // namespace cuda

std::unique_ptr<Implementation> make_cuda() { return std::make_unique<cuda::Cuda>(); }

}  // namespace normlab
