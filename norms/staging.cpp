#include "norms/staging.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include <fmt/format.h>

namespace normlab {
namespace {

constexpr std::byte untouched{0xff};  // NaN in every dtype

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

void* Staging::reach(void* data, std::size_t bytes, Device where, bool back) {
    if (!data || (where == device_ && !fence_)) return data;
    for (Copy& c : copies_)
        if (c.host == data && c.bytes == bytes) {
            c.back |= back;
            return c.memory.at(fence_);
        }
    Copy& c = copies_.emplace_back(Copy{data, bytes, Memory(device_, bytes + 2 * fence_), back});
    if (fence_) c.memory.upload(std::vector<std::byte>(c.memory.bytes(), untouched));
    c.memory.upload({static_cast<const std::byte*>(data), bytes}, fence_);
    return c.memory.at(fence_);
}

void Staging::require_whole_zones() const {
    std::vector<std::byte> bytes(fence_);
    for (const Copy& c : copies_)
        for (const std::size_t at : {std::size_t{0}, fence_ + c.bytes}) {
            c.memory.download(bytes, at);
            if (const auto written = bytes.size() - static_cast<std::size_t>(std::ranges::count(bytes, untouched));
                written > 0)
                throw Failure(fmt::format("{} bytes {} an array of {} bytes were written", written,
                                          at == 0 ? "before" : "beyond the end of", c.bytes));
        }
}

Tensor Staging::packed(const ConstTensor& t) {
    dense_.emplace_back(Device::host, static_cast<std::size_t>(t.shape.size()) * size_of(t.dtype));
    const Tensor dense{dense_.back().data(), t.dtype, t.shape, t.layout};
    copy_runs(t, dense);
    return dense;
}

ConstTensor Staging::in(const ConstTensor& t) {
    ConstTensor r = pack_ && !t.dense() ? ConstTensor(packed(t)) : t;
    r.data = in(r.data, spanned_bytes(r), t.device);
    r.device = device_;
    return r;
}

Tensor Staging::out(const Tensor& t) {
    Tensor r = t;
    if (pack_ && !t.dense()) {
        r = packed(t);
        unpack_.emplace_back(t, r);
    }
    r.data = out(r.data, spanned_bytes(r), t.device);
    r.device = device_;
    return r;
}

void Staging::finish() {
    if (!copies_.empty()) synchronize(device_);
    require_whole_zones();
    for (const Copy& c : copies_)
        if (c.back) c.memory.download({static_cast<std::byte*>(c.host), c.bytes}, fence_);
    for (const auto& [strided, dense] : unpack_) copy_runs(dense, strided);
}

}  // namespace normlab
