#pragma once
// Brings the arrays of one call to where an implementation can reach them, and the results back.

#include <deque>

#include "norms/memory.hpp"

namespace normlab {

class Staging {
public:
    /// For an implementation working on `device`. `pack`: it wants dense tensors.
    Staging(Device device, bool pack) : device_(device), pack_(pack) {}

    /// `bytes` at `data`, which is memory of `where`: itself, or a copy (one for each array, so that aliases stay aliases). Null stays null.
    template <class T>
    const T* in(const T* data, std::size_t bytes, Device where = Device::host) {
        return static_cast<const T*>(reach(const_cast<T*>(data), bytes, where, false));
    }
    /// The same for an array that is written: `finish` brings it back.
    template <class T>
    T* out(T* data, std::size_t bytes, Device where = Device::host) {
        return static_cast<T*>(reach(data, bytes, where, true));
    }
    ConstTensor in(const ConstTensor& t);
    Tensor out(const Tensor& t);

    /// Waits for the device and copies results back. Not called after an exception: then nothing is written.
    void finish();

private:
    void* reach(void* data, std::size_t bytes, Device where, bool back);
    Tensor packed(const ConstTensor& t);

    struct Copy {
        void* host;
        Memory memory;
        bool back;
    };
    Device device_;
    bool pack_;
    std::deque<Copy> copies_;
    std::deque<Memory> dense_;
    std::deque<std::pair<Tensor, Tensor>> unpack_;   // strided, dense
};

}  // namespace normlab
