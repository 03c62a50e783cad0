#pragma once
// Brings the arrays of one call to where an implementation can reach them, and the results back.

#include <deque>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>

#include "norms/memory.hpp"
#include "system/guarded_memory.hpp"

namespace normlab {

class Staging {
public:
    /// For an implementation working on `device`. `pack`: it wants dense tensors. `fence`: it gets copies between zones
    /// of NaN, and of strided views copies that hold NaN between elements, so that what it writes or reads beyond an
    /// array or between its elements harms nobody and shows; on the host, where all calls are guarded, in guarded
    /// memory, inputs to be read only. `function` is the call's, a literal.
    Staging(Device device, bool pack, bool fence = false, const char* function = "");

    /// `bytes` at `data`, which is memory of `where`: itself, or a copy (one for each array, so that aliases stay
    /// aliases). Null stays null.
    template <class T>
    const T* in(const char* name, const T* data, std::size_t bytes, Device where = Device::host) {
        return static_cast<const T*>(reach(name, const_cast<T*>(data), bytes, where, Use::read, alignment_of<T>));
    }
    /// The same for an array that is written: `finish` brings it back. `Use::kept`: so it does, but none may write it.
    enum class Use { read, kept, write };
    template <class T>
    T* out(const char* name, T* data, std::size_t bytes, Device where = Device::host, Use use = Use::write) {
        return static_cast<T*>(reach(name, data, bytes, where, use, alignment_of<T>));
    }
    ConstTensor in(const char* name, const ConstTensor& t);
    Tensor out(const char* name, const Tensor& t);

    /// A guarded workspace, or null where calls are not guarded.
    void* workspace(std::size_t bytes);

    /// Waits for the device and copies results back. Not called after an exception: then nothing is written. Throws
    /// Failure, having written nothing, where a zone was written to, or what lies between elements.
    void finish();

private:
    static constexpr std::size_t zone = 4096;  // bytes

    template <class T>
    static constexpr std::size_t alignment_of = std::is_same_v<T, std::byte> ? 16 : 1;  // of numbers: their size's

    void* reach(const char* name, void* data, std::size_t bytes, Device where, Use use, std::size_t alignment);
    std::optional<Tensor> apart(const ConstTensor& t);

    struct Copy {
        const char* name;
        void* host;
        std::size_t bytes;
        Use use;
        Memory memory;
        std::unique_ptr<system::GuardedMemory> guarded;  // in place of that

        std::byte* begin(std::size_t fence) const { return guarded ? guarded->data() : memory.at(fence); }
    };
    std::unique_ptr<system::GuardedMemory> guarded(const char* name, std::size_t bytes, std::size_t alignment) const;
    void require_whole_zones() const;

    Device device_;
    bool pack_;
    std::size_t fence_;
    const char* function_;
    std::optional<system::GuardedCall> guard_;
    std::deque<Copy> copies_;
    std::deque<Memory> dense_;
    std::deque<std::tuple<Tensor, Tensor, const char*>> unpack_;  // strided, its copy
};

}  // namespace normlab
