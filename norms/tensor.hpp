#pragma once
// What a tensor is: a view of memory that somebody else owns, seen as x[N, C, S]:
// N samples, C channels, S positions a channel (S = 1 for dense layers, H*W for images, L for sequences).

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
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

/// A view. Elements of one channel (channels-first) or one position (channels-last) are contiguous; samples are
/// `sample_stride` elements apart, channels-last positions `position_stride`; 0 stands for the dense value. Other
/// strides do not exist.
template <class Byte>
struct BasicTensor {
    Byte* data = nullptr;
    DType dtype = DType::f32;
    Shape shape;
    Layout layout = Layout::channels_first;
    Device device = Device::host;
    std::int64_t sample_stride = 0, position_stride = 0;

    std::int64_t step_position() const {
        return layout == Layout::channels_first ? 1 : position_stride ? position_stride : shape.C;
    }
    std::int64_t step_channel() const { return layout == Layout::channels_first ? shape.S : 1; }
    std::int64_t step_sample() const {
        if (sample_stride) return sample_stride;
        return layout == Layout::channels_first ? shape.C * shape.S : shape.S * step_position();
    }
    std::int64_t offset(std::int64_t n, std::int64_t c, std::int64_t s) const {
        return n * step_sample() + c * step_channel() + s * step_position();
    }
    bool dense() const {
        return step_sample() == shape.C * shape.S && (layout == Layout::channels_first || step_position() == shape.C);
    }
    operator BasicTensor<const void>() const requires(!std::is_const_v<Byte>) {
        return {data, dtype, shape, layout, device, sample_stride, position_stride};
    }
};
using Tensor = BasicTensor<void>;
using ConstTensor = BasicTensor<const void>;

}  // namespace normlab
