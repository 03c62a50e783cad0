#include "norms/staging.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include <fmt/format.h>

namespace normlab {
namespace {

constexpr std::byte untouched{0xff};  // NaN in every dtype
constexpr std::size_t workspace_alignment = 256;

std::size_t spanned_bytes(const ConstTensor& t) { return static_cast<std::size_t>(t.span()) * size_of(t.dtype); }

// f(the first element of a run in one view, in the other, elements of the run) of two views of the same shape and
// layout. The elements of a run touch in both.
template <class F>
void for_runs(const ConstTensor& a, const ConstTensor& b, F f) {
    const Steps one = a.steps(), other = b.steps();
    const auto [N, C, S] = a.shape;
    const bool first = a.layout == Layout::channels_first;
    const std::int64_t inner = first ? S : C, outer = first ? C : S;
    const auto touch = [&](std::int64_t Steps::*axis, std::int64_t step) {
        return one.*axis == step && other.*axis == step;
    };
    const bool run = touch(first ? &Steps::position : &Steps::channel, 1),
               rows = run && touch(first ? &Steps::channel : &Steps::position, inner);
    for (std::int64_t n = 0; n < N; ++n)
        for (std::int64_t i = 0; i < (rows ? 1 : outer); ++i)
            for (std::int64_t k = 0; k < (run ? 1 : inner); ++k) {
                const std::int64_t c = first ? i : k, s = first ? k : i;
                f(one.offset(n, c, s), other.offset(n, c, s), rows ? inner * outer : run ? inner : 1);
            }
}

void copy_runs(const ConstTensor& from, const Tensor& to) {
    const std::size_t size = size_of(from.dtype);
    for_runs(from, to, [&](std::int64_t at, std::int64_t into, std::int64_t count) {
        std::memcpy(static_cast<std::byte*>(to.data) + static_cast<std::size_t>(into) * size,
                    static_cast<const std::byte*>(from.data) + static_cast<std::size_t>(at) * size,
                    static_cast<std::size_t>(count) * size);
    });
}

// Of what lies between the elements, how many bytes are not as they were.
std::size_t written_between(const ConstTensor& t) {
    const std::size_t size = size_of(t.dtype);
    std::vector<bool> between(spanned_bytes(t), true);
    for_runs(t, t, [&](std::int64_t at, std::int64_t, std::int64_t count) {
        const auto begin = between.begin() + at * static_cast<std::int64_t>(size);
        std::fill(begin, begin + count * static_cast<std::int64_t>(size), false);
    });
    std::size_t written = 0;
    for (std::size_t i = 0; i < between.size(); ++i)
        written += between[i] && static_cast<const std::byte*>(t.data)[i] != untouched;
    return written;
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

// Where elements alone are to be seen, or brought back: dense if that is wanted, otherwise in a copy of the whole view
// that holds NaN between them.
std::optional<Tensor> Staging::apart(const ConstTensor& t) {
    const bool as_it_is = !pack_ && t.device == device_ && !fence_;
    if (as_it_is || t.dense() || t.device != Device::host) return {};
    Tensor copy{nullptr, t.dtype, t.shape, t.layout};
    if (!pack_) copy = copy.with(t.gaps());
    dense_.emplace_back(Device::host, spanned_bytes(copy));
    copy.data = dense_.back().data();
    std::memset(copy.data, static_cast<int>(untouched), spanned_bytes(copy));
    copy_runs(t, copy);
    return copy;
}

ConstTensor Staging::in(const char* name, const ConstTensor& t) {
    const std::optional<Tensor> copy = apart(t);
    ConstTensor r = copy ? ConstTensor(*copy) : t;
    r.data = in(name, r.data, spanned_bytes(r), t.device);
    r.device = device_;
    return r;
}

Tensor Staging::out(const char* name, const Tensor& t) {
    const std::optional<Tensor> copy = apart(t);
    Tensor r = copy.value_or(t);
    if (copy) unpack_.emplace_back(t, r, name);
    r.data = out(name, r.data, spanned_bytes(r), t.device);
    r.device = device_;
    return r;
}

void Staging::finish() {
    if (!copies_.empty()) synchronize(device_);
    require_whole_zones();
    const auto bring_back = [&](bool apart) {  // into the copies of strided views, or into the caller's arrays
        for (const Copy& c : copies_) {
            const bool of_view =
                std::ranges::any_of(unpack_, [&](const auto& u) { return std::get<1>(u).data == c.host; });
            if (c.use != Use::read && of_view == apart) copy(c.host, Device::host, c.begin(fence_), device_, c.bytes);
        }
    };
    bring_back(true);
    for (const auto& [strided, copy, name] : unpack_)
        if (const std::size_t written = written_between(copy))
            throw Failure(
                fmt::format("{}: {} bytes between the elements of {} were written", function_, written, name));
    bring_back(false);
    for (const auto& [strided, copy, name] : unpack_) copy_runs(copy, strided);
}

}  // namespace normlab
