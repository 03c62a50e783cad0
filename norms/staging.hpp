#pragma once
// Brings the arrays of one call to where an implementation can reach them, and the results back.

#include <deque>

#include "norms/memory.hpp"

namespace normlab {

class Staging {
public:
    /// For an implementation working on `device`. `pack`: it wants dense tensors. `fence`: it gets copies between zones
    /// of NaN, so that what it writes or reads beyond an array harms nobody and shows.
    Staging(Device device, bool pack, bool fence = false) : device_(device), pack_(pack), fence_(fence ? zone : 0) {}

    /// `bytes` at `data`, which is memory of `where`: itself, or a copy (one for each array, so that aliases stay
    /// aliases). Null stays null.
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

    /// Waits for the device and copies results back. Not called after an exception: then nothing is written. Throws
    /// Failure, having written nothing, where a zone was written to.
    void finish();

private:
    static constexpr std::size_t zone = 4096;  // bytes

    void* reach(void* data, std::size_t bytes, Device where, bool back);
    Tensor packed(const ConstTensor& t);

    struct Copy {
        void* host;
        std::size_t bytes;
        Memory memory;
        bool back;
    };
    void require_whole_zones() const;

    Device device_;
    bool pack_;
    std::size_t fence_;
    std::deque<Copy> copies_;
    std::deque<Memory> dense_;
    std::deque<std::pair<Tensor, Tensor>> unpack_;  // strided, dense
};

}  // namespace normlab
