// A norm folded into the layer beside it gives what layer and norm give one after the other, within the bound that the
// fold states. Layers are summed here in long double.
#include <array>
#include <cmath>
#include <random>

#include "catch.hpp"
#include "norms/element.hpp"
#include "norms/fold.hpp"
#include "norms/variants.hpp"

using namespace normlab;
using Catch::Matchers::Contains;

namespace {

using Values = std::vector<long double>;

struct Stored {  // numbers in a dtype
    Stored(DType type, std::size_t count) : dtype(type), bytes(count * size_of(type)) {}
    Stored(DType type, const Values& values) : Stored(type, values.size()) {
        for (std::size_t i = 0; i < values.size(); ++i)
            write_element(bytes.data(), dtype, static_cast<std::int64_t>(i), static_cast<double>(values[i]));
    }
    Values read() const {
        Values all(bytes.size() / size_of(dtype));
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = read_element<double>(bytes.data(), dtype, static_cast<std::int64_t>(i));
        return all;
    }
    DType dtype;
    std::vector<std::byte> bytes;
};

Values drawn(std::size_t count, double mean, std::mt19937& random) {
    std::normal_distribution<double> normal(mean, 1);
    Values all(count);
    for (long double& v : all) v = normal(random);
    return all;
}

// A layer on one line of positions, with stride 1; padded with kernel - 1 zeros on both sides where it is zero-padded.
// Transposed: each input is added to the `kernel` outputs that follow it, and only outputs with all of these are taken.
Values run(const LinearLayer& l, const Values& W, const Values& b, const Values& a, bool sizes = false) {
    const std::int64_t width = static_cast<std::int64_t>(a.size()) / l.in, pad = l.zero_padded ? l.kernel - 1 : 0,
                       outputs = width + 2 * pad - l.kernel + 1, in_group = l.in / l.groups,
                       out_group = l.out / l.groups;
    Values z;
    for (std::int64_t o = 0; o < l.out; ++o)
        for (std::int64_t p = 0; p < outputs; ++p) {
            long double sum = sizes ? 0 : b[static_cast<std::size_t>(o)];
            for (std::int64_t j = 0; j < in_group; ++j)
                for (std::int64_t k = 0; k < l.kernel; ++k) {
                    const std::int64_t i = o / out_group * in_group + j, tap = l.transposed ? l.kernel - 1 - k : k,
                                       at = p - pad + k;
                    if (at < 0 || at >= width) continue;
                    const std::int64_t weight = l.transposed ? (i * out_group + o % out_group) * l.kernel + tap
                                                             : (o * in_group + j) * l.kernel + tap;
                    const long double term =
                        W[static_cast<std::size_t>(weight)] * a[static_cast<std::size_t>(i * width + at)];
                    sum += sizes ? std::abs(term) : term;
                }
            z.push_back(sum);
        }
    return z;
}

Values ones(std::size_t count) { return Values(count, 1); }

// |folded - wanted| / bound at its worst, of all outputs. `a` is what the folded layer sees.
long double worst(const LinearLayer& l, const FoldBound& bound, const Stored& W, const Stored& b, const Values& a,
                  const Values& wanted) {
    const Values got = run(l, W.read(), b.read(), a), size = run(l, W.read(), b.read(), a, true),
                 reach = run(l, ones(static_cast<std::size_t>(l.weights())), b.read(), a, true);
    REQUIRE(got.size() == wanted.size());
    const std::size_t positions = got.size() / static_cast<std::size_t>(l.out);
    long double ratio = 0;
    for (std::size_t k = 0; k < got.size(); ++k)
        ratio = std::max(ratio, std::abs(got[k] - wanted[k]) /
                                    (bound.relative * size[k] + bound.smallest * reach[k] + bound.bias[k / positions]));
    return ratio;
}

const std::array layers{LinearLayer{6, 4},
                        LinearLayer{6, 4, 3},
                        LinearLayer{6, 4, 3, 2},
                        LinearLayer{6, 4, 3, 2, true},
                        LinearLayer{6, 4, 1, 1, true},
                        LinearLayer{6, 6, 5, 6}};

}  // namespace

TEST_CASE("a norm folds into the layer before it, zero-padded or not, in every dtype") {
    std::mt19937 random(1);
    for (LinearLayer l : layers)
        for (const DType dtype : kernel_dtypes)
            for (const Spec& spec : {batch_norm(), batch_renorm(3, 5)})
                for (const bool plain : {false, true}) {
                    l.dtype = dtype, l.zero_padded = !l.transposed && l.kernel > 1 && !plain;
                    CAPTURE(l.in, l.out, l.kernel, l.groups, l.transposed, static_cast<int>(dtype), plain);
                    const DType params = arithmetic_dtype(dtype);
                    const auto C = static_cast<std::size_t>(l.out);
                    State state = initial_state(spec, l.out);
                    for (std::size_t c = 0; c < C; ++c) {
                        state.mean[c] = 30 * static_cast<double>(c) - 40;
                        for (std::vector<double>* v : {&state.var, &state.sigma})
                            if (!v->empty()) (*v)[c] = 0.01 + static_cast<double>(c);
                    }
                    const Stored gamma(params, drawn(C, 1, random)), beta(params, drawn(C, 0, random)),
                        W(dtype, drawn(static_cast<std::size_t>(l.weights()), 0, random)),
                        b(dtype, drawn(C, 2, random));
                    const Affine affine{plain ? nullptr : gamma.bytes.data(), plain ? nullptr : beta.bytes.data()};
                    Stored W_to(dtype, W.read().size()), b_to(dtype, C);
                    const FoldBound bound = fold_into_layer_before(spec, state, affine, params, l,
                                                                   {W.bytes.data(), plain ? nullptr : b.bytes.data()},
                                                                   {W_to.bytes.data(), b_to.bytes.data()});
                    const Values a = drawn(static_cast<std::size_t>(9 * l.in), 0, random);
                    Values wanted = run(l, W.read(), plain ? Values(C) : b.read(), a);
                    for (std::size_t k = 0; k < wanted.size(); ++k) {
                        const std::size_t c = k / (wanted.size() / C);
                        const long double s = state.sigma.empty()
                                                  ? std::sqrt(state.var[c] + static_cast<long double>(spec.eps))
                                                  : static_cast<long double>(state.sigma[c]);
                        wanted[k] = (plain ? 1 : gamma.read()[c]) * ((wanted[k] - state.mean[c]) / s) +
                                    (plain ? 0 : beta.read()[c]);
                    }
                    const long double ratio = worst(l, bound, W_to, b_to, a, wanted);
                    CHECK(ratio <= 1);
                    CHECK(ratio > 0.01);  // the bound says something
                }
}

TEST_CASE("gamma and beta fold into the layer behind, in place too") {
    std::mt19937 random(2);
    for (LinearLayer l : layers)
        for (const DType dtype : kernel_dtypes)
            for (const bool has_beta : {true, false}) {
                l.dtype = dtype, l.zero_padded = !has_beta && !l.transposed;
                if (has_beta && l.transposed && l.kernel > 1) continue;
                CAPTURE(l.in, l.out, l.kernel, l.groups, l.transposed, static_cast<int>(dtype), has_beta);
                const DType params = arithmetic_dtype(dtype);
                const auto in = static_cast<std::size_t>(l.in), out = static_cast<std::size_t>(l.out);
                const Stored gamma(params, drawn(in, 1, random)), beta(params, drawn(in, 0, random));
                Stored W(dtype, drawn(static_cast<std::size_t>(l.weights()), 0, random)),
                    b(dtype, drawn(out, 2, random));
                const Values x_hat = drawn(9 * in, 0, random);
                Values a = x_hat;
                for (std::size_t i = 0; i < a.size(); ++i)
                    a[i] = gamma.read()[i / 9] * a[i] + (has_beta ? beta.read()[i / 9] : 0);
                const Values wanted = run(l, W.read(), b.read(), a);
                const FoldBound bound =
                    fold_into_layer_behind({gamma.bytes.data(), has_beta ? beta.bytes.data() : nullptr}, params, l,
                                           {W.bytes.data(), b.bytes.data()}, {W.bytes.data(), b.bytes.data()});
                const long double ratio = worst(l, bound, W, b, x_hat, wanted);
                CHECK(ratio <= 1);
                CHECK(ratio > 0.01);
            }
}

TEST_CASE("folds that cannot be right are refused, and write nothing") {
    const std::vector<float> beta{0, 1}, none{0, 0}, W(12, 1);
    std::vector<float> W_to(12, 7), b_to(2, 7);
    const FoldedWeights to{W_to.data(), b_to.data()};
    const auto behind = [&](const std::vector<float>& values, const LinearLayer& l) {
        fold_into_layer_behind({nullptr, values.data()}, DType::f32, l, {W.data(), nullptr}, to);
    };
    CHECK_THROWS_WITH(behind(beta, {2, 2, 3, 1, false, true}), Contains("beta[1] = 1") && Contains("zero-padded"));
    CHECK_THROWS_WITH(behind(beta, {2, 2, 3, 1, true}), Contains("transposed"));
    CHECK_THROWS_WITH(behind(beta, {2, 2, 3, 4}), Contains("4 groups"));
    CHECK_THROWS_WITH(behind(beta, {2, 2, 0}), Contains("at least 1"));
    CHECK_THROWS_WITH(fold_into_layer_behind({}, DType::f32, {2, 2}, {}, to), Contains("W"));
    const State state = initial_state(batch_norm(), 3);
    CHECK_THROWS_WITH(fold_into_layer_before(batch_norm(), state, {}, DType::f32, {2, 2}, {W.data(), nullptr}, to),
                      Contains("3 channels"));
    CHECK_THROWS_WITH(fold_into_layer_before(layer_norm(), {}, {}, DType::f32, {2, 2}, {W.data(), nullptr}, to),
                      Contains("no running statistics"));
    CHECK(W_to == std::vector<float>(12, 7));
    CHECK(b_to == std::vector<float>(2, 7));
    CHECK_NOTHROW(behind(none, {2, 2, 3, 1, false, true}));
}
