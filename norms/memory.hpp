#pragma once
// Memory on the host or a CUDA device, behind one type, so that whoever runs an implementation need not know where it
// works.

#include <chrono>
#include <cstddef>
#include <span>

#include "norms/device.hpp"
#include "norms/tensor.hpp"
#include "system/failure.hpp"

namespace normlab {

/// Owned, uninitialised, aligned to 256 bytes. Throws std::bad_alloc where it does not fit, Error where the device is
/// not there.
class Memory {
public:
    Memory() = default;
    Memory(Device device, std::size_t bytes);
    Memory(Memory&& other) noexcept { swap(other); }
    Memory& operator=(Memory&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Memory();

    void* data() const { return data_; }
    std::byte* at(std::size_t offset) const { return static_cast<std::byte*>(data_) + offset; }
    std::size_t bytes() const { return bytes_; }
    Device device() const { return device_; }

    /// Copies from or to host memory, from byte `offset` on; done on return, after everything enqueued on the device
    /// before.
    void upload(std::span<const std::byte> from, std::size_t offset = 0);
    void download(std::span<std::byte> to, std::size_t offset = 0) const;

private:
    void swap(Memory& other) noexcept;

    Device device_ = Device::host;
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

/// Copies between devices; done on return.
void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes);

/// Between two places of one device, enqueued on a stream and not waited for (on the host: done on return).
void enqueue_copy(Device device, void* to, const void* from, std::size_t bytes, void* stream);

/// Waits for everything enqueued on the device. Throws Failure if some of it failed.
void synchronize(Device device);

/// Seconds between two points of the work enqueued on a stream (device events), on the host between two moments.
class Stopwatch {
public:
    explicit Stopwatch(Device device, void* stream = nullptr);
    ~Stopwatch();
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;
    void start();
    double stop();  ///< waits for the work before it

private:
    Device device_;
    void* stream_;
    void *begin_ = nullptr, *end_ = nullptr;  // CUDA events
    std::chrono::steady_clock::time_point moment_;
};

/// Throws Error where there is no CUDA device.
DeviceInfo cuda_device();

}  // namespace normlab
