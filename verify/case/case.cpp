#include "verify/case/case.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <sstream>

#include <fmt/format.h>

#include "norms/variants.hpp"

namespace normlab::verify {
namespace {

template <class Number>
Number parse_whole(std::string_view what, const std::string& text, std::string_view accepted) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range)
        throw Error(fmt::format("{} = '{}'; {} from {} to {} is accepted", what, text,
                                accepted.substr(0, accepted.find(',')), std::numeric_limits<Number>::lowest(),
                                std::numeric_limits<Number>::max()));
    if (error != std::errc{} || end != text.data() + text.size())
        throw Error(fmt::format("{} = '{}'; {} is accepted", what, text, accepted));
    return value;
}

}  // namespace

double parse_number(std::string_view what, const std::string& text, std::string_view accepted) {
    return parse_whole<double>(what, text, accepted);
}
std::int64_t parse_integer(std::string_view what, const std::string& text) {
    return parse_whole<std::int64_t>(what, text, "a whole number");
}

std::uint64_t parse_seed(std::string_view what, const std::string& text) {
    return parse_whole<std::uint64_t>(what, text, "a whole number, 0 or more,");
}

std::optional<double> parse_momentum(const std::string& text) {
    if (text == "none") return std::nullopt;
    return parse_number("momentum", text, "a number in [0, 1], or none,");
}

Shape parse_shape(const std::string& text) {
    std::vector<std::int64_t> dims;
    std::istringstream in(text + "x");
    for (std::string part; std::getline(in, part, 'x');) {
        std::int64_t dim = 0;
        const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), dim);
        if (error == std::errc::result_out_of_range)
            throw Error(fmt::format("in {} the dimension {} is {}; whole numbers from 0 to {} are accepted", text, part,
                                    part[0] == '-' ? "negative" : "too large",
                                    std::numeric_limits<std::int64_t>::max()));
        if (error != std::errc{} || end != part.data() + part.size())
            throw Error(fmt::format("shape = '{}'; in {}, NxCxS (such as 8x3x5) is accepted", part, text));
        dims.push_back(dim);
    }
    return activation_shape(dims);
}

std::string shape_text(const Shape& shape) { return fmt::format("{}x{}x{}", shape.N, shape.C, shape.S); }

Spec Case::spec() const {
    Spec s = find_variant(variant).make();
    if (groups) s.groups = *groups;
    if (eps) s.eps = *eps;
    if (r_max) s.r_max = *r_max;
    if (d_max) s.d_max = *d_max;
    if (momentum) s.momentum = parse_momentum(*momentum);
    if (running) s.running = *running;
    if (denominator) s.denominator = *denominator;
    if (divisor) s.divisor = *divisor;
    if (gamma_offset) s.gamma_offset = *gamma_offset;
    if (activation) s.activation = *activation;
    if (param_dtype) s.param_dtype = *param_dtype;
    if (residual) s.residual = *residual;
    if (residual_dtype) s.residual_dtype = *residual_dtype;
    if (affine_set) s.affine_set = *affine_set;
    if (cast) s.cast = *cast;
    if (mask != MaskPattern::none) s.masked = true;
    if (output) s.output = *output;
    if (scale) s.scale = *scale;
    if (scale_power_of_two) s.scale_power_of_two = *scale_power_of_two != 0;
    if (scale_inverse) s.scale_inverse = *scale_inverse != 0;
    if (part) s.part = *part;
    s.stat_batch = stat_batch;
    return s;
}

Problem Case::problem() const {
    using enum Strides;
    const bool first = layout == Layout::channels_first, two = strides == expanded_samples_channels ||
                                                               strides == expanded_samples_positions ||
                                                               strides == expanded_channels_positions;
    // k: another one in each tensor, in no order. Between samples alone it is what leaves vectors aligned.
    const auto gaps = [&](std::int64_t k, bool input) {
        Gaps g;
        if (strides == samples || two || strides == (input ? inputs : outputs)) g.sample = 8 * k;
        if (strides == sliced || strides == stepped) g.sample = 4 + k, (first ? g.channel : g.position) = k;
        if (strides == stepped) (first ? g.position : g.channel) = k;
        return g;
    };
    TensorGaps all{gaps(3, true), gaps(1, false), gaps(4, true), gaps(2, false)};
    const auto is = [&](std::initializer_list<Strides> some) { return std::ranges::find(some, strides) != some.end(); };
    if (two) all.dy = {};
    if (is({expanded, expanded_samples, expanded_samples_channels, expanded_samples_positions}))
        all.dy.sample = normlab::expanded;
    if (is({expanded, expanded_channels, expanded_samples_channels, expanded_channels_positions}))
        all.dy.channel = normlab::expanded;
    if (is({expanded, expanded_positions, expanded_samples_positions, expanded_channels_positions}))
        all.dy.position = normlab::expanded;
    if (in_place == InPlace::y || in_place == InPlace::both) all.y = all.x;
    if (in_place == InPlace::dx || in_place == InPlace::both) all.dx = all.dy;
    return {spec(), shape, dtype, layout, mode, Device::host, all};
}

}  // namespace normlab::verify
