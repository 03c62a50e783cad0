// y of another type than the data, of 8 bits with a scale, in this layer's own words.

#include <algorithm>
#include <cmath>
#include <limits>

#include "norms/element.hpp"
#include "verify/faults/layer.hpp"

namespace normlab::verify::faults {

// The entry of args.scale that element i uses.
std::size_t FaultyLayer::scale_entry(std::int64_t i) const {
    if (p_.scale == NORMLAB_SCALE_GIVEN) return 0;
    if (p_.scale == NORMLAB_SCALE_BLOCK) return static_cast<std::size_t>(block_[static_cast<std::size_t>(i)]);
    return static_cast<std::size_t>((sample(i) * S_ + i % S_) * ((C_ + 127) / 128) + channel(i) / 128);
}

// The code of v in y's type.
std::uint8_t FaultyLayer::code_of(double v) const {
    alignas(Complex) std::uint8_t room[sizeof(Complex)] = {};  // for whatever an element may be
    write_element(room, y_dtype_, 0, v);
    std::uint8_t code = room[0];
    const double near = read_element<double>(room, y_dtype_, 0), step = std::abs(v - near);
    if (f_.output_truncated != 0 && std::abs(near) > std::abs(v)) --code;
    if (f_.output_unsaturated != 0 && std::abs(near) == row_of(y_dtype_).largest &&
        step > row_of(y_dtype_).roundoff / 2 * std::abs(near))
        ++code;  // NaN of e4m3, an infinity of e5m2
    return code;
}

// Those that are found, as y is divided by them.
auto FaultyLayer::scales(const Values& y) const -> Values {
    const auto count = static_cast<std::size_t>(p_.scales);
    Values scale(count);
    std::vector<std::size_t> all(count), seen(count);
    const auto entry = [this](std::size_t i) { return scale_entry(static_cast<std::int64_t>(i)); };
    for (std::size_t i = 0; i < y.size(); ++i) ++all[entry(i)];
    for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t k = entry(i);
        if (f_.amax_of_half != 0 && 2 * seen[k]++ >= all[k]) continue;
        const double size = f_.amax_signed != 0 ? y[i] : std::abs(y[i]);
        if (std::abs(size) <= row_of(DType::f32).largest) scale[k] = std::max(scale[k], size);
    }
    const DType type = (y_dtype_ == DType::e4m3) == (f_.largest_exchanged == 0) ? DType::e4m3 : DType::e5m2;
    for (double& s : scale) {
        s = std::max(s / row_of(type).largest, f_.scale_floor / (row_of(type).largest * 512));
        if (p_.scale_power_of_two != 0 && s > 0)
            s = std::exp2(f_.power_of_two_below != 0 ? std::floor(std::log2(s)) : std::ceil(std::log2(s)));
        s = rounded(s, DType::f32);
    }
    return scale;
}

void FaultyLayer::write_y(const normlab_forward_args& a, Values y) const {
    if (f_.output_in_bf16 != 0 && p_.output != NORMLAB_OUTPUT_DATA)
        for (double& v : y) v = rounded(v, DType::bf16);
    if (a.scale == nullptr) return write(a.y, y_at_, y, y_dtype_, f_.last_unwritten != 0);
    Values scale;
    if (p_.scale == NORMLAB_SCALE_GIVEN) {
        const double given = f_.scale_in_bf16 != 0 ? rounded(a.scale[0], DType::bf16) : a.scale[0];
        scale = {p_.scale_inverse != 0 ? 1 / given : given};
    } else {
        scale = scales(y);
        const bool inverse = (p_.scale_inverse != 0) != (f_.scale_inverted != 0);
        for (std::size_t k = 0; k < scale.size(); ++k)
            a.scale[k] = static_cast<float>(inverse ? 1 / scale[k] : scale[k]);
    }
    const std::int64_t size = N_ * C_ * S_ - (f_.last_unwritten != 0 ? 1 : 0);
    for (std::int64_t i = 0; i < size; ++i) {
        std::size_t k = scale_entry(i);
        if (f_.scale_of_block_before != 0 && k > 0) --k;
        static_cast<std::uint8_t*>(a.y)[place(i, y_at_)] = code_of(y[static_cast<std::size_t>(i)] / scale[k]);
    }
}

}  // namespace normlab::verify::faults
