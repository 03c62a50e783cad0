#pragma once
// Where libtorch's results go. Its operations return new tensors; an allocator of ours gives the caller's own memory
// for the result, so that nothing is copied, and keeps large blocks: fresh ones from the system would be page-faulted
// anew on every call.

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <c10/core/CPUAllocator.h>

namespace normlab::peers {

class Pool final : public c10::Allocator {
public:
    /// libtorch's allocator from now on, for the life of the process.
    static void install() {
        static const bool once = (c10::SetCPUAllocator(&instance(), 1), true);
        static_cast<void>(once);
    }

    /// While it lives, the next allocation of exactly `bytes` on this thread is `at`.
    class Place {
    public:
        Place(void* at, std::size_t bytes) { next() = {at, bytes}; }
        ~Place() { next() = {nullptr, 0}; }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
    };

    c10::DataPtr allocate(std::size_t bytes) const override {
        if (auto& [at, expected] = next(); at && bytes == expected) {
            void* data = std::exchange(at, nullptr);
            return {data, data, [](void*) {}, c10::DeviceType::CPU};
        }
        if (bytes < large) return c10::GetDefaultCPUAllocator()->allocate(bytes);
        Block* block = take(bytes);
        return {block->memory.get(), block, give_back, c10::DeviceType::CPU};
    }

private:
    static constexpr std::size_t large = std::size_t{1} << 20;

    struct Block {
        std::size_t bytes;
        c10::DataPtr memory;
    };

    static Pool& instance() {
        static Pool& pool = *new Pool;  // outlives everything that is in it
        return pool;
    }
    static std::pair<void*, std::size_t>& next() {
        thread_local std::pair<void*, std::size_t> wanted{nullptr, 0};
        return wanted;
    }
    static Block* take(std::size_t bytes) {
        Pool& pool = instance();
        const std::lock_guard guard(pool.lock_);
        std::vector<Block*>& free = pool.free_[bytes];
        if (free.empty()) return new Block{bytes, c10::GetDefaultCPUAllocator()->allocate(bytes)};
        Block* block = free.back();
        free.pop_back();
        return block;
    }
    static void give_back(void* context) {
        auto* block = static_cast<Block*>(context);
        const std::lock_guard guard(instance().lock_);
        instance().free_[block->bytes].push_back(block);
    }

    std::mutex lock_;
    std::map<std::size_t, std::vector<Block*>> free_;
};

}  // namespace normlab::peers
