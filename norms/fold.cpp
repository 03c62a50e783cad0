#include "norms/fold.hpp"

#include <cmath>

#include <fmt/format.h>

#include "norms/element.hpp"

namespace normlab {
namespace {

constexpr double u64 = 0x1p-53;

void check_layer(const LinearLayer& layer, const Weights& from, const FoldedWeights& to) {
    if (layer.in < 1 || layer.out < 1 || layer.kernel < 1 || layer.groups < 1)
        throw Error(fmt::format(
            "a layer of {} inputs, {} outputs, {} elements of the kernel and {} groups; at least 1 of each is accepted",
            layer.in, layer.out, layer.kernel, layer.groups));
    if (layer.in % layer.groups || layer.out % layer.groups)
        throw Error(fmt::format("{} groups do not divide {} inputs and {} outputs", layer.groups, layer.in, layer.out));
    if (!from.W || !to.W || !to.b) throw Error("W, W_to and b_to are needed; only b may be null");
}

/// f(o, i, at) for every weight: it leads from input channel i to output channel o.
template <class F>
void for_weights(const LinearLayer& layer, F f) {
    const std::int64_t rows = layer.transposed ? layer.in : layer.out,
                       across = (layer.transposed ? layer.out : layer.in) / layer.groups;
    std::int64_t at = 0;
    for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t j = 0; j < across; ++j) {
            const std::int64_t other = row / (rows / layer.groups) * across + j;
            for (std::int64_t k = 0; k < layer.kernel; ++k, ++at)
                f(layer.transposed ? other : row, layer.transposed ? row : other, at);
        }
}

std::vector<double> read(const void* values, DType dtype, std::int64_t count, double absent) {
    std::vector<double> all(static_cast<std::size_t>(count), absent);
    if (values)
        for (std::int64_t i = 0; i < count; ++i)
            all[static_cast<std::size_t>(i)] = read_element<double>(values, dtype, i);
    return all;
}

/// b'[o] and its bound: terms[o] sums the sizes of what b'[o] is made of, in `roundings` roundings.
void write_bias(const LinearLayer& layer, const std::vector<double>& bias, const std::vector<double>& terms,
                double roundings, void* to, FoldBound& bound) {
    for (std::size_t o = 0; o < bias.size(); ++o) {
        write_element(to, layer.dtype, static_cast<std::int64_t>(o), bias[o]);
        bound.bias.push_back(roundings * u64 * terms[o] + row_of(layer.dtype).roundoff * std::abs(bias[o]) +
                             row_of(layer.dtype).smallest_subnormal / 2);
    }
}

}  // namespace

FoldBound fold_into_layer_before(const Spec& spec, const State& state, Affine affine, DType params,
                                 const LinearLayer& layer, Weights from, FoldedWeights to) {
    check_layer(layer, from, to);
    const ChannelMap norm = fold(spec, state, affine, params);
    if (norm.scale.size() != static_cast<std::size_t>(layer.out))
        throw Error(
            fmt::format("the norm has {} channels, but the layer before it has {} outputs; the same number is accepted",
                        norm.scale.size(), layer.out));
    // scale: var + eps, its root, gamma divided by it, and times W: less than four roundings, of f64
    FoldBound bound{4 * u64 + row_of(layer.dtype).roundoff, row_of(layer.dtype).smallest_subnormal / 2, {}};
    std::vector<double> bias = read(from.b, layer.dtype, layer.out, 0), terms;
    for (std::size_t o = 0; o < bias.size(); ++o) {
        const double scaled = norm.scale[o] * bias[o];
        bias[o] = scaled + norm.shift[o];
        // beta - scale mean: of these, |beta| is at most |shift| + |scale mean|
        terms.push_back(std::abs(scaled) + std::abs(norm.shift[o]) + 2 * std::abs(norm.scale[o] * state.mean[o]));
    }
    for_weights(layer, [&](std::int64_t o, std::int64_t, std::int64_t at) {
        write_element(to.W, layer.dtype, at,
                      norm.scale[static_cast<std::size_t>(o)] * read_element<double>(from.W, layer.dtype, at));
    });
    write_bias(layer, bias, terms, 6, to.b, bound);
    return bound;
}

FoldBound fold_into_layer_behind(Affine affine, DType params, const LinearLayer& layer, Weights from,
                                 FoldedWeights to) {
    check_layer(layer, from, to);
    const std::vector<double> gamma = read(affine.gamma, params, layer.in, 1),
                              beta = read(affine.beta, params, layer.in, 0);
    for (std::size_t i = 0; i < beta.size(); ++i)
        if (beta[i] != 0 && (layer.zero_padded || (layer.transposed && layer.kernel > 1)))
            throw Error(
                fmt::format("beta[{}] = {}, but outputs at the border of {} sum over a part of the kernel, so that no "
                            "bias is right for "
                            "all; a beta of zeros is accepted",
                            i, beta[i], layer.zero_padded ? "a zero-padded layer" : "a transposed convolution"));
    FoldBound bound{2 * u64 + row_of(layer.dtype).roundoff, row_of(layer.dtype).smallest_subnormal / 2, {}};
    std::vector<double> bias = read(from.b, layer.dtype, layer.out, 0), terms(bias.size());
    for (std::size_t o = 0; o < bias.size(); ++o) terms[o] = std::abs(bias[o]);
    for_weights(layer, [&](std::int64_t o, std::int64_t i, std::int64_t at) {
        const auto to_o = static_cast<std::size_t>(o), from_i = static_cast<std::size_t>(i);
        const double w = read_element<double>(from.W, layer.dtype, at);
        bias[to_o] += w * beta[from_i], terms[to_o] += std::abs(w * beta[from_i]);
        write_element(to.W, layer.dtype, at, w * gamma[from_i]);
    });
    // a chain of additions, and a product each
    write_bias(layer, bias, terms, static_cast<double>(layer.in / layer.groups * layer.kernel) + 2, to.b, bound);
    return bound;
}

}  // namespace normlab
