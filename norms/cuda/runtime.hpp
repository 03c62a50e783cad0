#pragma once
// The few calls of the CUDA runtime that the rest of the library needs. runtime.cpp defines them; absent.cpp where
// there is no nvcc.

#include <cstddef>

#include "norms/device.hpp"

namespace normlab::cuda {

/// Whether kernels can run: compiled in, a driver, a device. Asked once; the answer is kept.
const Support& available();

/// On the current device, 256-byte aligned. Throws std::bad_alloc.
void* allocate(std::size_t bytes);
void release(void* data) noexcept;

/// Any direction (unified addressing); done on return.
void copy(void* to, const void* from, std::size_t bytes);

/// Enqueues zeros on a stream.
void clear(void* data, std::size_t bytes, void* stream);

/// Between two places of the device, on a stream; not waited for.
void enqueue_copy(void* to, const void* from, std::size_t bytes, void* stream);

/// Waits for the device. Throws Failure with CUDA's own text if something enqueued before has failed.
void synchronize();

/// A stream that does not wait for the default one.
void* new_stream();
void release_stream(void* stream) noexcept;

/// Events: recorded on a stream; seconds_between waits for `end`. Null is released without effect.
void* new_event();
void release_event(void* event) noexcept;
void record(void* event, void* stream);
double seconds_between(void* begin, void* end);

/// The current device.
DeviceInfo describe();

}  // namespace normlab::cuda
