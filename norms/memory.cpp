#include "norms/memory.hpp"

#include <cstring>
#include <new>
#include <utility>

#include "norms/cuda/runtime.hpp"

namespace normlab {
namespace {

constexpr std::align_val_t alignment{256};

void require_cuda() {
    if (const Support& s = cuda::available(); !s) throw Error("no CUDA device: " + s.reason);
}

}  // namespace

Memory::Memory(Device device, std::size_t bytes) : device_(device), bytes_(bytes) {
    if (bytes == 0) return;
    if (device == Device::host) {
        data_ = ::operator new(bytes, alignment);
    } else {
        require_cuda();
        data_ = cuda::allocate(bytes);
    }
}

Memory::~Memory() {
    if (!data_) return;
    if (device_ == Device::host) ::operator delete(data_, alignment);
    else cuda::release(data_);
}

void Memory::swap(Memory& other) noexcept {
    std::swap(device_, other.device_), std::swap(data_, other.data_), std::swap(bytes_, other.bytes_);
}

void Memory::upload(std::span<const std::byte> from, std::size_t offset) {
    copy(at(offset), device_, from.data(), Device::host, from.size());
}

void Memory::download(std::span<std::byte> to, std::size_t offset) const {
    copy(to.data(), Device::host, at(offset), device_, to.size());
}

void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
    if (bytes == 0) return;
    if (to_device == Device::host && from_device == Device::host) std::memcpy(to, from, bytes);
    else cuda::copy(to, from, bytes);
}

void enqueue_copy(Device device, void* to, const void* from, std::size_t bytes, void* stream) {
    if (device == Device::host) std::memcpy(to, from, bytes);
    else cuda::enqueue_copy(to, from, bytes, stream);
}

void synchronize(Device device) {
    if (device == Device::cuda) cuda::synchronize();
}

Stopwatch::Stopwatch(Device device, void* stream) : device_(device), stream_(stream) {
    if (device == Device::host) return;
    require_cuda();
    begin_ = cuda::new_event(), end_ = cuda::new_event();
}

Stopwatch::~Stopwatch() { cuda::release_event(begin_), cuda::release_event(end_); }

void Stopwatch::start() {
    if (device_ == Device::cuda) cuda::record(begin_, stream_);
    else moment_ = std::chrono::steady_clock::now();
}

double Stopwatch::stop() {
    if (device_ == Device::host)
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - moment_).count();
    cuda::record(end_, stream_);
    return cuda::seconds_between(begin_, end_);
}

DeviceInfo cuda_device() {
    require_cuda();
    return cuda::describe();
}

}  // namespace normlab
