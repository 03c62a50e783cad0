#pragma once
// What a tensor is: a view of memory that somebody else owns, seen as x[N, C, S]:
// N samples, C channels, S positions a channel (S = 1 for dense layers, H*W for images, L for sequences).

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <tuple>
#include <type_traits>

#include "norms/dtype.hpp"

namespace normlab {

/// Thrown for every wrong argument; the message names the offending value and what would be accepted.
struct Error : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

enum class Layout { channels_first, channels_last };  ///< memory order [N, C, S] or [N, S, C]
enum class Device { host, cuda };
enum class Mode { train, eval };

struct Shape {
    std::int64_t N = 0, C = 0, S = 1;
    std::int64_t size() const { return N * C * S; }
    bool operator==(const Shape&) const = default;
};

/// dims = [N, C, spatial...] or, channels-last, [N, spatial..., C], any spatial rank. Throws Error if rank < 2, a
/// dimension is negative or the product overflows.
Shape activation_shape(std::span<const std::int64_t> dims, Layout layout = Layout::channels_first);

/// Layer or rms norm over the last `normalized` dims with gamma an element: [leading product, trailing product, 1].
/// Throws Error unless 1 <= normalized <= rank.
Shape trailing_shape(std::span<const std::int64_t> dims, std::int64_t normalized);

/// Weight norm's view of v: [product before dim, dims[dim], product after dim]; no dim: [1, 1, all], so that g is a
/// scalar. Throws Error unless dim is in 0..rank-1.
Shape weight_shape(std::span<const std::int64_t> dims, std::optional<std::int64_t> dim);

/// The stride of an axis along which all elements are one and the same: dy of a sum, before anything copies it.
inline constexpr std::int64_t expanded = std::numeric_limits<std::int64_t>::min();

/// Where the elements of a view lie whatever its shape: how many are left out, beside a dense tensor, between samples,
/// between channels and between positions; or that an axis is expanded.
struct Gaps {
    std::int64_t sample = 0, channel = 0, position = 0;
    bool expands() const { return sample == expanded || channel == expanded || position == expanded; }
    bool operator==(const Gaps&) const = default;
};

/// From one sample, channel or position to the next, in elements.
struct Steps {
    std::int64_t sample = 0, channel = 0, position = 0;
    std::int64_t offset(std::int64_t n, std::int64_t c, std::int64_t s) const {
        return n * sample + c * channel + s * position;
    }
};

/// A view. Samples are `sample_stride` elements apart, and so on; 0 stands for the dense value: what the axes within
/// take up. Axes lie within each other as the layout says, and elements do not overlap, but where a stride is
/// `expanded`, as dy's may be.
template <class Byte>
struct BasicTensor {
    Byte* data = nullptr;
    DType dtype = DType::f32;
    Shape shape;
    Layout layout = Layout::channels_first;
    Device device = Device::host;
    std::int64_t sample_stride = 0, position_stride = 0, channel_stride = 0;

    Steps steps() const {
        Steps s;
        std::int64_t dense = 1;
        for_axes(*this, s, [&](std::int64_t stride, std::int64_t count, std::int64_t& step) {
            step = stride == expanded ? 0 : stride ? stride : dense;
            if (step) dense = count * step;
        });
        return s;
    }
    std::int64_t step_position() const { return steps().position; }
    std::int64_t step_channel() const { return steps().channel; }
    std::int64_t step_sample() const { return steps().sample; }
    std::int64_t offset(std::int64_t n, std::int64_t c, std::int64_t s) const { return steps().offset(n, c, s); }
    /// Elements from the first to the last, with what lies between.
    std::int64_t span() const { return shape.size() == 0 ? 0 : offset(shape.N - 1, shape.C - 1, shape.S - 1) + 1; }

    Gaps gaps() const {
        Gaps g;
        const Steps s = steps();
        std::int64_t taken = 1;  // by the axes within
        for_axes(s, g, [&](std::int64_t step, std::int64_t count, std::int64_t& gap) {
            gap = step == 0 ? expanded : step - taken;
            taken += (count - 1) * step;
        });
        return g;
    }
    BasicTensor with(const Gaps& g) const {
        BasicTensor t = *this;
        std::int64_t taken = 1;
        for_axes(g, t, [&](std::int64_t gap, std::int64_t count, std::int64_t& stride) {
            stride = gap == expanded ? expanded : taken + gap;
            if (stride != expanded) taken += (count - 1) * stride;
        });
        return t;
    }
    bool dense() const { return gaps() == Gaps{}; }
    operator BasicTensor<const void>() const requires(!std::is_const_v<Byte>) {
        return {data, dtype, shape, layout, device, sample_stride, position_stride, channel_stride};
    }

private:
    static constexpr auto fields(auto& of) {
        if constexpr (requires { of.sample_stride; })
            return std::tie(of.sample_stride, of.channel_stride, of.position_stride);
        else return std::tie(of.sample, of.channel, of.position);
    }
    // f(of `from`, elements, of `to`) for each axis, the innermost first.
    template <class F>
    void for_axes(const auto& from, auto& to, F f) const {
        const auto [n, c, s] = fields(from);
        const auto [to_n, to_c, to_s] = fields(to);
        const bool first = layout == Layout::channels_first;
        const auto [N, C, S] = shape.size() > 0 ? shape : Shape{1, 1, 1};
        first ? f(s, S, to_s) : f(c, C, to_c);
        first ? f(c, C, to_c) : f(s, S, to_s);
        f(n, N, to_n);
    }
};
using Tensor = BasicTensor<void>;
using ConstTensor = BasicTensor<const void>;

}  // namespace normlab
