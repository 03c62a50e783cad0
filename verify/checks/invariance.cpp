// y = norm(W u) under changes of W, u and b: BN((aW)u) = BN(Wu) with its gradients (Ioffe & Szegedy 2015, section 3.3),
// BN(Wu + b) = BN(Wu) (section 3.2).

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/checks/linear_layer_cases.hpp"

namespace normlab::verify {
namespace {

Finding same(std::string_view quantity, const Problem& p, std::vector<double> changed,
             std::vector<double> changed_bound, double factor, const std::vector<double>& base,
             const std::vector<double>& base_bound) {
    for (std::size_t i = 0; i < changed.size(); ++i) {
        changed[i] *= factor;
        changed_bound[i] = factor * changed_bound[i] + base_bound[i];
    }
    Problem flat = p;  // indices of weights and inputs are not those of x
    if (base.size() != static_cast<std::size_t>(p.shape.size()))
        flat.shape = {1, 1, static_cast<std::int64_t>(base.size())};
    return compare(quantity, flat, changed, wides(base), changed_bound);
}

// How far y moves when eps is not scaled along: exactly gamma x_hat (s_eps / s_(eps / a^2) - 1), which grows as the
// variance nears eps.
Finding with_eps_kept(const LinearLayer& layer, const NormSettings& norm, double a,
                      const Implementation& implementation) {
    LinearLayer scaled = layer;
    for (double& w : scaled.weight) w *= a;
    Finding worst_of;
    std::string moves;
    for (double ratio : {100.0, 10.0, 1.0}) {
        NormSettings n = norm;
        const LinearLayerOutputs plain = run_linear_layer(layer, norm, implementation);
        double var = 0;
        for (const truth::Block& b : plain.truth.blocks)
            var += static_cast<double>(b.var) / static_cast<double>(plain.truth.blocks.size());
        n.problem.spec.eps = var / ratio;
        const LinearLayerOutputs base = run_linear_layer(layer, n, implementation),
                                 moved = run_linear_layer(scaled, n, implementation);
        std::vector<double> expected(base.y.size()), bound(base.y.size());
        double largest = 0;
        for (const truth::Block& b : base.truth.blocks) {
            const double v = static_cast<double>(b.var), e = n.problem.spec.eps,
                         growth = std::sqrt((v + e) / (v + e / (a * a))) - 1;
            for (std::size_t i : b.elements) {
                const auto c = i / static_cast<std::size_t>(n.problem.shape.S) % n.gamma.size();
                expected[i] = n.problem.spec.factor(n.gamma[c]) * static_cast<double>(base.truth.x_hat[i]) * growth;
                bound[i] = base.y_bound[i] + moved.y_bound[i] + 0x1p-48 * std::abs(expected[i]);
                largest = std::max(largest, std::abs(expected[i]));
            }
        }
        std::vector<double> difference = moved.y;
        for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= base.y[i];
        const Finding f = compare("y of weights scaled, eps kept", n.problem, difference, wides(expected), bound);
        worst_of = worst_of.quantity.empty() ? f : worst({worst_of, f});
        moves += fmt::format("{}{:.1e} at var = {} eps", moves.empty() ? "y moves by " : ", ", largest, ratio);
    }
    worst_of.note = moves;
    return worst_of;
}

std::vector<Finding> scale_invariance(const Case& c, const Implementation& implementation) {
    constexpr double a = 3;
    Random random(c.seed);
    const LinearLayer layer = draw_linear_layer(c.shape, false, random);
    NormSettings norm = draw_norm(c, layer, random);
    LinearLayer scaled = layer;
    for (double& w : scaled.weight) w *= a;
    NormSettings along = norm;
    along.problem.spec.eps *= std::pow(a, norm.problem.spec.eps_degree());  // f(ax; a^2 eps) = f(x; eps)
    scale_state(along.state, a);
    const LinearLayerOutputs base = run_linear_layer(layer, norm, implementation),
                             moved = run_linear_layer(scaled, along, implementation);
    std::vector<Finding> all{
        same("y", norm.problem, moved.y, moved.y_bound, 1, base.y, base.y_bound),
        same("d/du", norm.problem, moved.d_input, moved.d_input_bound, 1, base.d_input, base.d_input_bound),
        same("a d/d(aW)", norm.problem, moved.d_weight, moved.d_weight_bound, a, base.d_weight, base.d_weight_bound)};
    const Spec& spec = norm.problem.spec;
    if (spec.eps > 0 && spec.correction == Correction::none && spec.denominator == Denominator::root &&
        !is_weights(spec) && spec.moments != Moments::norm && norm.problem.block_size() > 1)
        all.push_back(with_eps_kept(layer, norm, a, implementation));
    return all;
}

std::string scale_refuses(const Case& c) {
    if (const std::string reason = needs_one_a_channel(c); !reason.empty()) return reason;
    if (c.stat_batch && is_weights(c.spec())) return "weights have no normalisation batch";
    return needs_training(c);
}

std::vector<Finding> bias_invariance(const Case& c, const Implementation& implementation) {
    Random random(c.seed);
    const LinearLayer layer = draw_linear_layer(c.shape, false, random);
    const NormSettings norm = draw_norm(c, layer, random);
    LinearLayer shifted = layer;
    NormSettings along = norm;
    for (std::size_t ch = 0; ch < layer.bias.size(); ++ch) {
        shifted.bias[ch] = static_cast<double>(random.integer(3, 9)) * (ch % 2 ? 1 : -1);
        if (!along.state.mean.empty()) along.state.mean[ch] += shifted.bias[ch];
    }
    const LinearLayerOutputs base = run_linear_layer(layer, norm, implementation),
                             moved = run_linear_layer(shifted, along, implementation);
    return {same("y", norm.problem, moved.y, moved.y_bound, 1, base.y, base.y_bound),
            same("d/du", norm.problem, moved.d_input, moved.d_input_bound, 1, base.d_input, base.d_input_bound),
            same("d/dW", norm.problem, moved.d_weight, moved.d_weight_bound, 1, base.d_weight, base.d_weight_bound),
            same("d/db = 0", norm.problem, moved.d_bias, moved.d_bias_bound, 1,
                 std::vector<double>(moved.d_bias.size()), std::vector<double>(moved.d_bias.size()))};
}

std::string bias_refuses(const Case& c) {
    if (const std::string reason = needs_one_a_channel(c); !reason.empty()) return reason;
    if (!may_keep_state(c.spec())) return "a bias a channel is no shift of a whole block in " + c.variant;
    return needs_training(c);
}

}  // namespace

extern const Check scale_invariance_check{
    "scale_invariance",
    "norm((aW)u) = norm(Wu), d/du unchanged, d/d(aW) = (1/a) d/dW, dense and convolutional",
    false,
    scale_refuses,
    linear_layer_cases,
    scale_invariance};
extern const Check bias_invariance_check{"bias_invariance",
                                         "norm(Wu + b) = norm(Wu), gradients unchanged, d/db = 0",
                                         false,
                                         bias_refuses,
                                         linear_layer_cases,
                                         bias_invariance};

}  // namespace normlab::verify
