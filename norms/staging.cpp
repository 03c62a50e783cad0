#include "norms/staging.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include <fmt/format.h>

namespace normlab {
namespace {

constexpr std::byte untouched{0xff};  // NaN in every dtype
constexpr std::size_t workspace_alignment = 256;

std::size_t spanned_bytes(const ConstTensor& t) {
    const auto [N, C, S] = t.shape;
    return t.shape.size() == 0 ? 0 : static_cast<std::size_t>(t.offset(N - 1, C - 1, S - 1) + 1) * size_of(t.dtype);
}

// Copies between two views of the same shape, layout and dtype, a contiguous run at a time.
void copy_runs(const ConstTensor& from, const Tensor& to) {
    const bool first = from.layout == Layout::channels_first;
    const std::int64_t runs = first ? 1 : from.shape.S, len = first ? from.shape.C * from.shape.S : from.shape.C;
    const std::size_t size = size_of(from.dtype);
    for (std::int64_t n = 0; n < from.shape.N; ++n)
        for (std::int64_t s = 0; s < runs; ++s)
            std::memcpy(
                static_cast<std::byte*>(to.data) + static_cast<std::size_t>(to.offset(n, 0, s)) * size,
                static_cast<const std::byte*>(from.data) + static_cast<std::size_t>(from.offset(n, 0, s)) * size,
                static_cast<std::size_t>(len) * size);
}

}  // namespace

Staging::Staging(Device device, bool pack, bool fence, const char* function)
    : device_(device), pack_(pack), fence_(fence ? zone : 0), function_(function) {
    if (fence && device == Device::host && system::all_calls_guarded()) guard_ = system::next_guarded_call();
}

std::unique_ptr<system::GuardedMemory> Staging::guarded(const char* name, std::size_t bytes,
                                                        std::size_t alignment) const {
    return std::make_unique<system::GuardedMemory>(name, bytes, alignment, guard_->edge, untouched);
}

void* Staging::reach(const char* name, void* data, std::size_t bytes, Device where, Use use, std::size_t alignment) {
    if (!data || (where == device_ && !fence_)) return data;
    for (Copy& c : copies_)
        if (c.host == data && c.bytes == bytes) {
            c.use = std::max(c.use, use);
            if (c.guarded) c.guarded->enter(function_, guard_->number, c.use != Use::write);
            return c.begin(fence_);
        }
    Copy& c = copies_.emplace_back(Copy{name, data, bytes, use, {}, {}});
    if (guard_) {
        c.guarded = guarded(name, bytes, alignment);
        std::memcpy(c.guarded->data(), data, bytes);
        c.guarded->enter(function_, guard_->number, use != Use::write);
        return c.guarded->data();
    }
    c.memory = Memory(device_, bytes + 2 * fence_);
    if (fence_) c.memory.upload(std::vector<std::byte>(c.memory.bytes(), untouched));
    c.memory.upload({static_cast<const std::byte*>(data), bytes}, fence_);
    return c.memory.at(fence_);
}

void* Staging::workspace(std::size_t bytes) {
    if (!guard_) return nullptr;
    Copy& c = copies_.emplace_back(
        Copy{"workspace", nullptr, bytes, Use::read, {}, guarded("workspace", bytes, workspace_alignment)});
    std::memset(c.guarded->data(), static_cast<int>(untouched), bytes);
    c.guarded->enter(function_, guard_->number, false);
    return c.guarded->data();
}

void Staging::require_whole_zones() const {
    std::vector<std::byte> bytes(fence_);
    const auto require = [this](const Copy& c, std::span<const std::byte> fill, std::string_view where) {
        const auto written = fill.size() - static_cast<std::size_t>(std::ranges::count(fill, untouched));
        if (written > 0)
            throw Failure(fmt::format("{}: {} bytes {} an array of {} bytes, {}, were written", function_, written,
                                      where, c.bytes, c.name));
    };
    for (const Copy& c : copies_) {
        if (const auto& g = c.guarded) {
            require(c, {g->pages(), g->first()}, "before");
            require(c, {g->data() + c.bytes, g->pages() + g->pages_bytes()}, "beyond the end of");
            continue;
        }
        for (const std::size_t at : {std::size_t{0}, fence_ + c.bytes}) {
            c.memory.download(bytes, at);
            require(c, bytes, at == 0 ? "before" : "beyond the end of");
        }
    }
}

Tensor Staging::packed(const ConstTensor& t) {
    dense_.emplace_back(Device::host, static_cast<std::size_t>(t.shape.size()) * size_of(t.dtype));
    const Tensor dense{dense_.back().data(), t.dtype, t.shape, t.layout};
    copy_runs(t, dense);
    return dense;
}

ConstTensor Staging::in(const char* name, const ConstTensor& t) {
    ConstTensor r = pack_ && !t.dense() ? ConstTensor(packed(t)) : t;
    r.data = in(name, r.data, spanned_bytes(r), t.device);
    r.device = device_;
    return r;
}

Tensor Staging::out(const char* name, const Tensor& t) {
    Tensor r = t;
    if (pack_ && !t.dense()) {
        r = packed(t);
        unpack_.emplace_back(t, r);
    }
    r.data = out(name, r.data, spanned_bytes(r), t.device);
    r.device = device_;
    return r;
}

void Staging::finish() {
    if (!copies_.empty()) synchronize(device_);
    require_whole_zones();
    for (const Copy& c : copies_)
        if (c.use != Use::read) copy(c.host, Device::host, c.begin(fence_), device_, c.bytes);
    for (const auto& [strided, dense] : unpack_) copy_runs(dense, strided);
}

}  // namespace normlab
