#include "verify/check/linear_layer.hpp"

#include <xtensor-blas/xlinalg.hpp>
#include <xtensor/xadapt.hpp>

#include "norms/variants.hpp"

namespace normlab::verify {
namespace {

using Matrix = xt::xtensor<double, 2>;

Matrix matrix(const std::vector<double>& v, std::size_t rows) {
    const std::array<std::size_t, 2> shape{rows, v.size() / rows};
    return xt::adapt(v, shape);
}

Matrix columns(const LinearLayer& layer, std::size_t K) {
    Matrix U(std::array<std::size_t, 2>{K, layer.gather.size() / K});
    for (std::size_t i = 0; i < layer.gather.size(); ++i)
        U.data()[i] = layer.gather[i] == LinearLayer::padding ? 0 : layer.input[layer.gather[i]];
    return U;
}

// Between [C][N * S] of a product and logical [n][c][s].
std::vector<double> to_logical(const Matrix& X, const Shape& shape) {
    std::vector<double> v;
    for (std::int64_t n = 0; n < shape.N; ++n)
        for (std::int64_t c = 0; c < shape.C; ++c)
            for (std::int64_t s = 0; s < shape.S; ++s) v.push_back(X(c, n * shape.S + s));
    return v;
}
Matrix from_logical(const std::vector<double>& v, const Shape& shape) {
    Matrix X(
        std::array<std::size_t, 2>{static_cast<std::size_t>(shape.C), static_cast<std::size_t>(shape.N * shape.S)});
    auto in = v.begin();
    for (std::int64_t n = 0; n < shape.N; ++n)
        for (std::int64_t c = 0; c < shape.C; ++c)
            for (std::int64_t s = 0; s < shape.S; ++s) X(c, n * shape.S + s) = *in++;
    return X;
}

// A product with its bound: that of its factor carried through, and K roundings of its own.
struct Bounded {
    Matrix value, bound;
};
Bounded product(const Matrix& A, const Matrix& A_bound, const Matrix& B) {
    const double own = static_cast<double>(A.shape(1)) * unit_roundoff(DType::f64);
    return {xt::linalg::dot(A, B), xt::linalg::dot(Matrix(A_bound + own * xt::abs(A)), Matrix(xt::abs(B)))};
}
Bounded transposed(const Bounded& m) { return {xt::transpose(m.value), xt::transpose(m.bound)}; }
std::vector<double> flat(const Matrix& m) { return {m.begin(), m.end()}; }

std::vector<double> scatter(const Matrix& dU, const LinearLayer& layer) {
    std::vector<double> d(layer.input.size());
    for (std::size_t i = 0; i < layer.gather.size(); ++i)
        if (layer.gather[i] != LinearLayer::padding) d[layer.gather[i]] += dU.data()[i];
    return d;
}

struct Through {
    Outputs<double> out;
    Bounds bounds;
};

Through through_norm(LinearLayerOutputs& to, Inputs<double> in, const Implementation& implementation) {
    to.truth = truth::evaluate(in);
    Through t{run(implementation, in), error_bounds(in, to.truth, implementation.accumulation(in.problem.dtype))};
    to.norm_inputs = std::move(in);
    return t;
}

LinearLayerOutputs norm_of_activations(const LinearLayer& layer, const NormSettings& norm,
                                       const Implementation& implementation) {
    const auto C = static_cast<std::size_t>(layer.shape.C), P = static_cast<std::size_t>(layer.shape.N * layer.shape.S);
    const std::size_t K = layer.fan_in();
    const Matrix W = matrix(layer.weight, C), U = columns(layer, K);
    Matrix X = xt::linalg::dot(W, U);
    for (std::size_t c = 0; c < C; ++c)
        for (std::size_t i = 0; i < P; ++i) X(c, i) += layer.bias[c];

    LinearLayerOutputs o;
    const Through t = through_norm(
        o, {norm.problem, to_logical(X, layer.shape), norm.dy, norm.gamma, norm.beta, norm.state}, implementation);
    o.y = t.out.y, o.y_bound = t.bounds.y;
    if (norm.dy.empty()) return o;
    const Bounded dX{from_logical(t.out.dx, layer.shape), from_logical(t.bounds.dx, layer.shape)};
    const Bounded dW = product(dX.value, dX.bound, xt::transpose(U));
    const Bounded dU = transposed(product(xt::transpose(dX.value), xt::transpose(dX.bound), W));
    o.d_weight = flat(dW.value), o.d_weight_bound = flat(dW.bound);
    o.d_input = scatter(dU.value, layer), o.d_input_bound = scatter(dU.bound, layer);
    o.d_bias = flat(xt::sum(dX.value, {1}, xt::keep_dims)),
    o.d_bias_bound = flat(xt::sum(dX.bound, {1}, xt::keep_dims));
    return o;
}

LinearLayerOutputs norm_of_weights(const LinearLayer& layer, const NormSettings& norm,
                                   const Implementation& implementation) {
    const auto C = static_cast<std::size_t>(layer.shape.C);
    const std::size_t K = layer.fan_in();
    const Matrix U = columns(layer, K);
    Problem problem = norm.problem;
    problem.shape = {1, layer.shape.C, static_cast<std::int64_t>(K)};
    std::vector<double> dw;
    Matrix dY;
    if (!norm.dy.empty()) {
        dY = from_logical(norm.dy, layer.shape);
        dw = flat(xt::linalg::dot(dY, xt::transpose(U)));
        for (double& v : dw) v = rounded(v, problem.dtype);
    }
    LinearLayerOutputs o;
    const Through t = through_norm(o, {problem, layer.weight, dw, norm.gamma, {}, norm.state}, implementation);
    const Bounded w{matrix(t.out.y, C), matrix(t.bounds.y, C)};
    Bounded Y = product(w.value, w.bound, U);
    for (std::size_t c = 0; c < C; ++c)
        for (std::size_t i = 0; i < Y.value.shape(1); ++i) Y.value(c, i) += layer.bias[c];
    o.y = to_logical(Y.value, layer.shape), o.y_bound = to_logical(Y.bound, layer.shape);
    if (norm.dy.empty()) return o;
    const Bounded dU = product(xt::transpose(w.value), xt::transpose(w.bound), dY);
    o.d_weight = t.out.dx, o.d_weight_bound = t.bounds.dx;
    o.d_input = scatter(dU.value, layer), o.d_input_bound = scatter(dU.bound, layer);
    return o;
}

}  // namespace

LinearLayer draw_linear_layer(const Shape& shape, bool zero_padded, Random& random) {
    LinearLayer layer;
    layer.shape = shape;
    std::int64_t rows = 1;
    for (std::int64_t r = 2; r * r <= shape.S; ++r)
        if (shape.S % r == 0) rows = r;
    const std::int64_t cols = shape.S / rows, in_channels = shape.S == 1 ? 8 : 2,
                       kernel = shape.S == 1  ? 1
                                : zero_padded ? 3
                                              : 2;
    const std::int64_t pad = zero_padded ? 1 : 0, in_rows = rows + kernel - 1 - 2 * pad,
                       in_cols = cols + kernel - 1 - 2 * pad;
    for (std::int64_t n = 0; n < shape.N; ++n)
        for (std::int64_t c = 0; c < in_channels; ++c)
            for (std::int64_t i = 0; i < in_rows * in_cols; ++i) {
                layer.input.push_back(static_cast<double>(random.integer(-3, 3)));
                layer.feature.push_back(static_cast<std::size_t>(c));
                layer.sample.push_back(static_cast<std::size_t>(n));
            }
    for (std::int64_t c = 0; c < in_channels; ++c)
        for (std::int64_t kr = 0; kr < kernel; ++kr)
            for (std::int64_t kc = 0; kc < kernel; ++kc)
                for (std::int64_t n = 0; n < shape.N; ++n)
                    for (std::int64_t s = 0; s < shape.S; ++s) {
                        const std::int64_t r = s / cols + kr - pad, q = s % cols + kc - pad;
                        const bool inside = r >= 0 && r < in_rows && q >= 0 && q < in_cols;
                        layer.gather.push_back(
                            inside ? static_cast<std::size_t>(((n * in_channels + c) * in_rows + r) * in_cols + q)
                                   : LinearLayer::padding);
                    }
    const std::int64_t K = in_channels * kernel * kernel;
    for (std::int64_t i = 0; i < shape.C * K; ++i) layer.weight.push_back(static_cast<double>(random.integer(-2, 2)));
    for (std::int64_t c = 0; c < shape.C; ++c) layer.weight[static_cast<std::size_t>(c * K)] = 1;  // no zero row
    layer.bias.assign(static_cast<std::size_t>(shape.C), 0.0);
    return layer;
}

LinearLayerOutputs run_linear_layer(const LinearLayer& layer, const NormSettings& norm,
                                    const Implementation& implementation) {
    return is_weights(norm.problem.spec) ? norm_of_weights(layer, norm, implementation)
                                         : norm_of_activations(layer, norm, implementation);
}

}  // namespace normlab::verify
