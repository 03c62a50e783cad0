// The invariance table (Ba et al. 2016, Table 1, and the rows that follow from the formulas), measured: yes within the
// bounds of both calls, no by a counterexample far beyond them. eps = 0.

#include <algorithm>

#include <fmt/format.h>

#include "verify/checks/invariance_rows.hpp"
#include "verify/checks/linear_layer_cases.hpp"

namespace normlab::verify {
namespace {

struct Changed {
    LinearLayer layer;
    State state;
};

constexpr double factor = 3;

// The layer after the change of one column; with RenormRegime::along the running statistics follow where they can.
Changed change(InvarianceColumn column, const LinearLayer& layer, const NormSettings& norm, bool along,
               Random& random) {
    Changed to{layer, norm.state};
    const std::size_t C = layer.bias.size(), K = layer.fan_in();
    const auto channels = [&](auto in_scope, auto act) {
        for (std::size_t c = 0; c < C; ++c)
            if (in_scope(c)) act(c);
    };
    const auto scale_rows = [&](auto in_scope) {
        channels(in_scope, [&](std::size_t c) {
            for (std::size_t k = 0; k < K; ++k) to.layer.weight[c * K + k] *= factor;
            if (!along) return;
            to.state.mean[c] *= factor;
            if (!to.state.sigma.empty()) to.state.sigma[c] *= factor;
            if (!to.state.var.empty()) to.state.var[c] *= factor * factor;
        });
    };
    std::vector<double> shift(K);
    for (double& v : shift) v = static_cast<double>(random.integer(1, 3));
    const auto whole_group = [&](std::size_t c) { return c < C / static_cast<std::size_t>(norm.problem.spec.groups); };
    switch (column) {
        case InvarianceColumn::weights_scaled: scale_rows([](std::size_t) { return true; }); break;
        case InvarianceColumn::group_scaled: scale_rows(whole_group); break;
        case InvarianceColumn::row_scaled: scale_rows([](std::size_t c) { return c == 1; }); break;
        case InvarianceColumn::weights_recentred:
            for (std::size_t i = 0; i < to.layer.weight.size(); ++i) to.layer.weight[i] += shift[i % K];
            break;
        case InvarianceColumn::data_scaled:
            for (double& v : to.layer.input) v *= factor;
            if (along) scale_state(to.state, factor);
            break;
        case InvarianceColumn::data_recentred:
            for (std::size_t i = 0; i < to.layer.input.size(); ++i) to.layer.input[i] += shift[layer.feature[i]];
            if (along) {
                const std::size_t taps = K / (1 + *std::ranges::max_element(layer.feature));
                for (std::size_t i = 0; i < layer.weight.size(); ++i)
                    to.state.mean[i / K] += layer.weight[i] * shift[i % K / taps];
            }
            break;
        case InvarianceColumn::single_case_scaled:
            for (std::size_t i = 0; i < to.layer.input.size(); ++i)
                if (layer.sample[i] == 0) to.layer.input[i] *= factor;
            break;
        case InvarianceColumn::bias_added:
            channels([](std::size_t) { return true; },
                     [&](std::size_t c) {
                         to.layer.bias[c] = static_cast<double>(c % 2 ? 7 : -4);
                         if (along) to.state.mean[c] += to.layer.bias[c];
                     });
            break;
    }
    return to;
}

Finding measure(const InvarianceRow& row, InvarianceColumn column, bool expected, bool padded, const Case& c,
                const Implementation& implementation) {
    Random random(c.seed);
    const LinearLayer layer = draw_linear_layer(c.shape, padded, random);
    NormSettings norm = draw_norm(c, layer, random);
    norm.dy.clear();
    norm.problem.spec.eps = 0;
    if (row.regime == RenormRegime::inside) norm.problem.spec.r_max = norm.problem.spec.d_max = 1e3;
    if (row.regime == RenormRegime::clipped) {
        norm.problem.spec.r_max = 1.25, norm.problem.spec.d_max = 0.125;
        for (double& v : norm.state.mean) v = -1e4;
        for (double& v : norm.state.sigma) v = 1e-3;
    }
    const Changed to = change(column, layer, norm, row.regime == RenormRegime::along, random);
    NormSettings after = norm;
    after.state = to.state;
    const LinearLayerOutputs base = run_linear_layer(layer, norm, implementation),
                             moved = run_linear_layer(to.layer, after, implementation);
    std::vector<double> bound = base.y_bound;
    double largest = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < bound.size(); ++i) {
        bound[i] += moved.y_bound[i];
        if (std::abs(moved.y[i] - base.y[i]) > largest) largest = std::abs(moved.y[i] - base.y[i]), at = i;
    }
    const std::string name = fmt::format("{}{}", name_of(column), padded ? " (zero-padded)" : "");
    Finding f = compare(name, norm.problem, moved.y, wides(base.y), bound);
    const bool holds = f.verdict == Verdict::pass;
    const double limit = 100 * bound[at];
    if (!expected) {  // "no" is shown by a counterexample that no rounding explains
        f = {name, largest, limit};
        f.verdict = largest > limit && std::isfinite(moved.y[at]) && std::isfinite(base.y[at]) ? Verdict::pass
                    : holds                                                                    ? Verdict::fail
                                                                                               : Verdict::unresolved;
        f.where = fmt::format("element {}: y = {:.6g} becomes {:.6g}", at, base.y[at], moved.y[at]);
        f.error = largest > 0 ? limit * bound[at] / largest : 1;  // how near to being no counterexample
    }
    f.label = row.label;
    f.note = fmt::format("{} (deviation {:.1e})", holds ? "yes" : "no", largest);
    return f;
}

std::string invariance_table_refuses(const Case& c) {
    if (const std::string reason = needs_one_a_channel(c); !reason.empty()) return reason;
    if (is_narrow(c.dtype)) return "scaled and shifted inputs would not be exact in 16 bits";
    if (c.shape.N < 2 || c.shape.C < 2)
        return "it changes one sample and one channel of several: N >= 2 and C >= 2 are accepted";
    if (c.spec().block.channels && !c.spec().block.groups && c.problem().channels_per_group() < 2)
        return "its row is for groups of several channels";
    if (c.problem().block_size() < 3 && c.spec().centred())
        return "blocks of fewer than 3 elements have x_hat = +-1 whatever the data are";
    if (c.stat_batch) return "its rows are for one normalisation batch";
    return needs_training(c);
}

std::vector<Finding> invariance_table(const Case& c, const Implementation& implementation) {
    std::vector<Finding> all;
    for (const InvarianceRow& row : invariance_rows_of(c.variant)) {
        for (const InvarianceColumn column : invariance_columns) {
            const Expected expected = row.expected(column);
            if (expected == Expected::not_applicable) continue;
            if (expected == Expected::unknown) {
                all.push_back(measure(row, column, true, false, c, implementation));
                // measured and shown, held to nothing
                all.back().verdict = Verdict::skipped, all.back().label += ", no row";
                continue;
            }
            const bool yes = expected == Expected::yes || (expected == Expected::without_positions && c.shape.S == 1);
            all.push_back(measure(row, column, yes, false, c, implementation));
            if (column == InvarianceColumn::data_recentred && yes && c.shape.S > 1)
                all.push_back(measure(row, column, false, true, c, implementation));
        }
    }
    return all;
}

}  // namespace

extern const Check invariance_table_check{"invariance_table",
                                          "what y = norm(Wu) is invariant to, and what it is not",
                                          false,
                                          invariance_table_refuses,
                                          linear_layer_cases,
                                          invariance_table};

}  // namespace normlab::verify
