#include "norms/spec.hpp"

#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include <fmt/format.h>

namespace normlab {
namespace {

// offsets in bytes fit, whatever the type
constexpr std::int64_t most_elements = std::numeric_limits<std::int64_t>::max() / 16;

std::int64_t product(std::span<const std::int64_t> dims) {
    std::int64_t p = 1;
    for (std::int64_t d : dims) {
        if (d < 0) throw Error(fmt::format("dimension {} is negative; 0 or more is accepted", d));
        if (d > 0 && p > most_elements / d)
            throw Error(
                fmt::format("dimension {} makes more than {} elements, the most that is accepted", d, most_elements));
        p *= d;
    }
    return p;
}

}  // namespace

Shape activation_shape(std::span<const std::int64_t> dims, Layout layout) {
    if (dims.size() < 2)
        throw Error(fmt::format("rank {} has no channels; [N, C, ...] with rank 2 or more is accepted", dims.size()));
    product(dims);
    const bool first = layout == Layout::channels_first;
    return {dims[0], first ? dims[1] : dims.back(),
            product(first ? dims.subspan(2) : dims.subspan(1, dims.size() - 2))};
}

Shape trailing_shape(std::span<const std::int64_t> dims, std::int64_t normalized) {
    const auto rank = static_cast<std::int64_t>(dims.size());
    if (normalized < 1 || normalized > rank)
        throw Error(
            fmt::format("{} trailing dimensions of a tensor of rank {}; 1 to {} is accepted", normalized, rank, rank));
    product(dims);
    const std::size_t lead = dims.size() - static_cast<std::size_t>(normalized);
    return {product(dims.first(lead)), product(dims.subspan(lead)), 1};
}

Shape weight_shape(std::span<const std::int64_t> dims, std::optional<std::int64_t> dim) {
    const std::int64_t all = product(dims);
    if (!dim) return {1, 1, all};
    if (const auto rank = static_cast<std::int64_t>(dims.size()); *dim < 0 || *dim >= rank)
        throw Error(fmt::format("dim {} of a tensor of rank {}; 0 to {}, or none, is accepted", *dim, rank, rank - 1));
    const auto d = static_cast<std::size_t>(*dim);
    return {product(dims.first(d)), dims[d], product(dims.subspan(d + 1))};
}

std::int64_t Problem::block_size() const {
    return (spec.block.samples ? samples_per_slice() : 1) * (spec.block.groups ? spec.groups : 1) *
           (spec.block.channels ? channels_per_group() : 1) * (spec.block.positions ? shape.S : 1);
}

std::int64_t Problem::statistics_count() const {
    const std::int64_t size = shape.size();
    if (size == 0) return 0;
    return own_statistics() ? size / block_size() : shape.C;
}

std::int64_t Problem::affine_count() const {
    switch (spec.affine_set) {
        case AffineSet::element: return shape.C * shape.S;
        case AffineSet::sample_channel: return shape.N * shape.C;
        case AffineSet::group: return spec.groups;
        default: return shape.C;
    }
}

std::int64_t Problem::scale_count() const {
    if (!spec.quantizes()) return 0;
    switch (spec.scale) {
        case Scale::block: return statistics_count();
        case Scale::channels: return shape.N * shape.S * ((shape.C + channels_of_a_scale - 1) / channels_of_a_scale);
        default: return 1;
    }
}

std::size_t Problem::block_of(std::size_t i) const {
    const std::int64_t at = static_cast<std::int64_t>(i), s = at % shape.S, c = at / shape.S % shape.C,
                       n = at / shape.S / shape.C;
    if (!own_statistics()) return static_cast<std::size_t>(c);
    const Axes& b = spec.block;
    const std::int64_t outer = b.samples ? n / samples_per_slice() : n,
                       middles = b.groups     ? 1
                                 : b.channels ? spec.groups
                                              : shape.C,
                       middle = b.groups     ? 0
                                : b.channels ? c / channels_per_group()
                                             : c;
    const std::int64_t row = outer * middles + middle;
    return static_cast<std::size_t>(b.positions ? row : row * shape.S + s);
}

std::size_t Problem::scale_entry(std::size_t i) const {
    if (spec.scale == Scale::given) return 0;
    if (spec.scale == Scale::block) return block_of(i);
    const auto C = static_cast<std::size_t>(shape.C), S = static_cast<std::size_t>(shape.S),
               k = static_cast<std::size_t>(channels_of_a_scale);
    return (i / S / C * S + i % S) * ((C + k - 1) / k) + i / S % C / k;
}

// Of y and its scale.
static void validate_output(const Problem& p) {
    const Spec& s = p.spec;
    for (const DType type : {p.dtype, p.params()})
        if (size_of(type) == 1)
            throw Error(fmt::format("{}: data or parameters of {}; those of 8 bits are of y alone", s.variant,
                                    row_of(type).name));
    const bool accepted = s.output == DType::f32 || s.output == DType::e4m3 || s.output == DType::e5m2;
    if (s.output && (!accepted || arithmetic_dtype(p.dtype) != DType::f32))
        throw Error(fmt::format("{}: output = {} beside data of {}; {} is accepted", s.variant, row_of(*s.output).name,
                                row_of(p.dtype).name,
                                arithmetic_dtype(p.dtype) == DType::f32 ? "f32, e4m3 or e5m2" : "none"));
    if (s.scale < Scale::given || s.scale > Scale::channels)
        throw Error(fmt::format("{}: scale = {}; 0 to {} is accepted", s.variant, static_cast<int>(s.scale),
                                static_cast<int>(Scale::channels)));
    if (!s.quantizes() && (s.finds_scale() || s.scale_power_of_two || s.scale_inverse))
        throw Error(fmt::format("{}: a scale of a y that has none; output = e4m3 or e5m2 is accepted", s.variant));
    if (s.scale_power_of_two && !s.finds_scale())
        throw Error(fmt::format("{}: a power of two of a scale that is given; scale = block or channels is accepted",
                                s.variant));
}

void validate(const Problem& p) {
    const Spec& s = p.spec;
    product(std::vector{p.shape.N, p.shape.C, p.shape.S});
    if (s.groups < 1 || p.shape.C % s.groups != 0)
        throw Error(fmt::format("{}: C = {} channels cannot be split into G = {} groups; a divisor of C is accepted",
                                s.variant, p.shape.C, s.groups));
    if (!(s.eps >= 0) || !std::isfinite(s.eps))
        throw Error(fmt::format("{}: eps = {}; a finite number, 0 or more, is accepted", s.variant, s.eps));
    if (s.momentum && !(*s.momentum >= 0 && *s.momentum <= 1))
        throw Error(
            fmt::format("{}: momentum = {}; a number in [0, 1], or none for the cumulative average, is accepted",
                        s.variant, *s.momentum));
    if (s.stat_batch != 0 && !s.block.samples)
        throw Error(fmt::format("{}: stat_batch = {}, but its statistics do not span samples; 0 is accepted", s.variant,
                                s.stat_batch));
    if (s.stat_batch < 0 || (s.stat_batch > 0 && p.own_statistics() && p.shape.N % s.stat_batch != 0))
        throw Error(fmt::format("{}: stat_batch = {} does not divide N = {}; a divisor, or 0 for all, is accepted",
                                s.variant, s.stat_batch, p.shape.N));
    if (s.gamma_offset != 0 && s.gamma_offset != 1)
        throw Error(fmt::format("{}: gamma_offset = {}; 0 or 1 is accepted", s.variant, s.gamma_offset));
    if (s.activation < Activation::none || s.activation > Activation::threshold)
        throw Error(fmt::format("{}: activation = {}; 0 to {} is accepted", s.variant, static_cast<int>(s.activation),
                                static_cast<int>(Activation::threshold)));
    if (s.affine_set < AffineSet::channel || s.affine_set > AffineSet::group)
        throw Error(fmt::format("{}: affine_set = {}; 0 to {} is accepted", s.variant, static_cast<int>(s.affine_set),
                                static_cast<int>(AffineSet::group)));
    if (s.cast < Cast::after || s.cast > Cast::before)
        throw Error(fmt::format("{}: cast = {}; 0 to {} is accepted", s.variant, static_cast<int>(s.cast),
                                static_cast<int>(Cast::before)));
    if (s.masked && s.weights)
        throw Error(fmt::format(
            "{}: masked = true, but weights have no samples and positions to mask; false is accepted", s.variant));
    if (!(s.part > 0 && s.part <= 1))
        throw Error(fmt::format("{}: part = {}; a number above 0, up to 1, is accepted", s.variant, s.part));
    if (s.is_partial() && !(s.moments == Moments::mean_square && s.plain()))
        throw Error(fmt::format("{}: part = {}, but its denominator is not sqrt(mean of squares + eps); 1 is accepted",
                                s.variant, s.part));
    if (arithmetic_dtype(p.params()) != arithmetic_dtype(p.dtype))
        throw Error(
            fmt::format("{}: param_dtype = {} beside data of {}; {} is accepted", s.variant, row_of(p.params()).name,
                        row_of(p.dtype).name,
                        is_narrow(p.dtype) || p.dtype == DType::f32 ? "f32, bf16 or f16" : row_of(p.dtype).name));
    if (s.residual < Residual::none || s.residual > Residual::wide)
        throw Error(fmt::format("{}: residual = {}; 0 to {} is accepted", s.variant, static_cast<int>(s.residual),
                                static_cast<int>(Residual::wide)));
    if (s.residual_dtype && !s.adds())
        throw Error(fmt::format("{}: residual_dtype = {} without a residual; none is accepted", s.variant,
                                row_of(*s.residual_dtype).name));
    if (p.residuals() != p.dtype && p.residuals() != arithmetic_dtype(p.dtype))
        throw Error(fmt::format(
            "{}: residual_dtype = {} beside data of {}; {} is accepted", s.variant, row_of(p.residuals()).name,
            row_of(p.dtype).name,
            is_narrow(p.dtype) ? fmt::format("{} or f32", row_of(p.dtype).name) : std::string(row_of(p.dtype).name)));
    for (const auto& [name, gaps, is_dy] :
         {std::tuple("x", p.gaps.x, false), {"y", p.gaps.y, false}, {"dy", p.gaps.dy, true}, {"dx", p.gaps.dx, false}})
        for (const std::int64_t gap : {gaps.sample, gaps.channel, gaps.position})
            if (gap == expanded && !is_dy)
                throw Error(fmt::format("{}: {} is expanded (stride 0); dy alone may be", s.variant, name));
            else if (gap < 0 && gap != expanded)
                throw Error(fmt::format("{}: {} elements left out of {}; 0 or more is accepted", s.variant, gap, name));
    validate_output(p);
    if (s.correction == Correction::renorm) {
        if (!(s.r_max >= 1)) throw Error(fmt::format("{}: r_max = {}; 1 or more is accepted", s.variant, s.r_max));
        if (!(s.d_max >= 0)) throw Error(fmt::format("{}: d_max = {}; 0 or more is accepted", s.variant, s.d_max));
        if (s.running == Running::none)
            throw Error(fmt::format("{}: r and d need running statistics; Running::none is not accepted", s.variant));
    }
    if (s.running != Running::none && !(s.centred() && s.by_channel()))
        throw Error(fmt::format(
            "{}: running statistics are a channel's mean and variance, which its blocks do not have; none is accepted",
            s.variant));
    if (s.running != Running::none && !s.plain())
        throw Error(fmt::format(
            "{}: running statistics have the denominator root and the divisor own; none is accepted with another",
            s.variant));
    if (s.divisor == Divisor::less_one && p.shape.size() > 0 && p.block_size() == 1)
        throw Error(fmt::format("{}: one element a block has no unbiased variance; 2 or more are accepted", s.variant));
    if (s.centred() && s.by_channel() && !s.weights && p.own_statistics() && p.shape.size() > 0 && p.block_size() == 1)
        throw Error(fmt::format(
            "{}: one value a channel (N = {}, S = {}{}) has no variance to normalise by; {} > 1 is accepted, or "
            "evaluation with "
            "running statistics",
            s.variant, p.shape.N, p.shape.S, s.stat_batch ? fmt::format(", stat_batch = {}", s.stat_batch) : "",
            s.block.samples ? "N*S (stat_batch*S)" : "S"));
}

}  // namespace normlab
