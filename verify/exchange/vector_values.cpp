#include "verify/exchange/vector_values.hpp"

#include <algorithm>
#include <cmath>

#include "norms/running_stats.hpp"
#include "verify/truth/activation.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {
namespace {

double size(const Quad& v) { return std::abs(static_cast<double>(v)); }
double size(const truth::Wide& v) { return std::abs(v.high); }

std::vector<double> doubles(const std::vector<truth::Wide>& v) {
    std::vector<double> out;
    for (const truth::Wide& e : v) out.push_back(e.high);
    return out;
}

// S = <dx, v> + <dgamma, u> + <dbeta, w>, rounded once; of bounds and sizes the sum of terms' errors.
template <class T>
std::vector<double> second_sum(const Inputs<double>& in, const T& dx, const T& dgamma, const T& dbeta, bool of_bounds) {
    if (!in.twice()) return {};
    truth::Wide sum;
    const auto add = [&](const T& gradient, const std::vector<double>& cotangent) {
        for (std::size_t i = 0; i < std::min(gradient.size(), cotangent.size()); ++i)
            sum += truth::Wide(gradient[i]) * (of_bounds ? std::abs(cotangent[i]) : cotangent[i]);
    };
    add(dx, in.v), add(dgamma, in.u), add(dbeta, in.w);
    return {sum.high};
}

// The error that a call inherits from its State: of x_hat r + d, and relatively of dx.
struct Inherited {
    double z = 0, dx = 0;
};

// What dz of element i, off by f, adds: to dx of all of its block where that has means, and to the parameters'.
void add_of_dz(ByQuantity& bounds, const Inputs<double>& in, const truth::Result& t, const truth::Block& b,
               std::size_t i, double f, double off_z) {
    const std::size_t c = in.problem.affine_entry(i);
    const double x_hat = size(t.x_hat[i]), g = std::abs(in.factor(c)) * size(b.r) * f;
    bounds[Quantity::dgamma][c] += f * (x_hat * size(b.r) + size(b.d)) + 0.13 * std::abs(in.dy[i]) * off_z;
    bounds[Quantity::dbeta][c] += f;
    if (in.problem.spec.thresholds()) bounds[Quantity::dtau][c] += f;
    if (!(b.s > 0)) return;
    bounds[Quantity::dx][i] += g / size(b.s);
    if (!in.problem.own_statistics() || g == 0) return;
    for (const std::size_t k : b.elements)
        bounds[Quantity::dx][k] += g * (1 + size(t.x_hat[k]) * x_hat) / (b.divisor * size(b.s));
}

void add_inherited(ByQuantity& bounds, const Inputs<double>& in, const truth::Result& t, const StateError& before) {
    const Problem& p = in.problem;
    if (before.mean.empty() || (p.own_statistics() && !p.has_correction())) return;
    const auto C = static_cast<std::size_t>(p.shape.C);
    for (std::size_t k = 0; k < t.blocks.size(); ++k) {
        const truth::Block& b = t.blocks[k];
        const std::size_t c = k % C;
        const double sigma = running_sigma(p.spec, spread_of(in.state)[c]), e_m = before.mean[c];
        const double e_s = p.spec.running == Running::sigma ? before.spread[c] : before.spread[c] / sigma;
        const double e_r = 2 * size(b.raw_r) * e_s / sigma, e_d = 2 * (e_m + size(b.raw_d) * e_s) / sigma;
        if (p.has_correction()) {
            bounds[Quantity::r][k] += e_r, bounds[Quantity::raw_r][k] += e_r;
            bounds[Quantity::d][k] += e_d, bounds[Quantity::raw_d][k] += e_d;
        } else {
            bounds[Quantity::mean][k] += e_m, bounds[Quantity::var][k] += 2 * e_s * sigma;
            bounds[Quantity::norm][k] += e_s, bounds[Quantity::rstd][k] += 2 * e_s / (sigma * sigma);
        }
        for (std::size_t i : b.elements) {
            const double x_hat = size(t.x_hat[i]), gamma = std::abs(in.factor_of(i));
            const Inherited off = p.has_correction() ? Inherited{x_hat * e_r + e_d, e_r / size(b.r)}
                                                     : Inherited{2 * (e_m + x_hat * e_s) / sigma, 2 * e_s / sigma};
            const truth::ActivationErrors errors =
                truth::activation_errors(p.spec.activation, p.spec.activates() ? t.z[i].high : 0, gamma * off.z, 0,
                                         in.tau_of(p.affine_entry(i)));
            bounds[Quantity::y][i] += errors.y;
            if (p.spec.casts()) {  // and may round to a neighbour; no slope of an activation is above 1.13
                const double hat = x_hat * size(b.r) + size(b.d) + off.z;
                bounds[Quantity::y][i] +=
                    1.13 * gamma * std::max(2 * row_of(p.dtype).roundoff * hat, row_of(p.dtype).smallest_subnormal);
            }
            if (in.dy.empty()) continue;
            bounds[Quantity::dx][i] += size(t.dx[i]) * off.dx;
            bounds[Quantity::dgamma][p.affine_entry(i)] += std::abs(in.dy[i]) * off.z;
            if (p.spec.activates()) add_of_dz(bounds, in, t, b, i, std::abs(in.dy[i]) * errors.slope, off.z);
        }
    }
}

}  // namespace

ByQuantity values_of(const Inputs<double>& in, const Outputs<double>& out) {
    const Spec& spec = in.problem.spec;
    ByQuantity v;
    for (const QuantityRow& q : quantities::results()) v[q.quantity] = q.in(out);
    for (const QuantityRow& q : quantities::second()) v[q.quantity] = q.in(out);
    if (spec.quantizes()) v[Quantity::y] = out.q, v[Quantity::scale] = out.scale;  // as they are stored
    v[Quantity::S] = second_sum(in, out.dx, out.dgamma, out.dbeta, false);
    v[Quantity::count] = {static_cast<double>(out.state.count)};
    for (double var : out.saved.var) v[Quantity::norm].push_back(sigma_of(spec, var));
    for (std::size_t k = 0; k < out.saved.r.size() && !out.saved.mean.empty() && !out.saved.var.empty(); ++k) {
        const std::size_t c = k % in.state.mean.size();
        const double sigma = running_sigma(spec, spread_of(in.state)[c]);
        v[Quantity::raw_r].push_back(sigma_of(spec, out.saved.var[k]) / sigma);
        v[Quantity::raw_d].push_back((out.saved.mean[k] - in.state.mean[c]) / sigma);
    }
    return v;
}

ByQuantity values_of(const Inputs<double>& in, const truth::Result& t) {
    const Problem& p = in.problem;
    ByQuantity v;
    for (const QuantityRow& q : quantities::all())
        if (q.per != Per::call && q.is_of(p)) v[q.quantity] = doubles(q.in(t));
    v[Quantity::S] = second_sum(in, t.dx, t.dgamma, t.dbeta, false);
    const bool moves = p.mode == Mode::train && p.spec.running != Running::none && p.shape.size() > 0;
    v[Quantity::count] = {static_cast<double>(in.state.count + (moves ? p.slices() : 0))};
    return v;
}

ByQuantity bounds_of(const Inputs<double>& in, const truth::Result& t, Accumulation accumulation,
                     const StateError& before) {
    const Problem& p = in.problem;
    const Bounds b = error_bounds(in, t, accumulation);
    ByQuantity v;
    for (const QuantityRow& q : quantities::results())
        if (q.is_of(p)) v[q.quantity] = b.*q.bound;
    for (const QuantityRow& q : quantities::second()) v[q.quantity] = b.*q.bound;
    v[Quantity::S] = second_sum(in, b.dx, b.dgamma, b.dbeta, true);
    v[Quantity::count] = {0};
    for (std::size_t k = 0; k < t.blocks.size(); ++k) {
        const truth::Block& block = t.blocks[k];
        // |sqrt a - sqrt b| <= |a - b| / sqrt b
        const double s = size(block.s), of_var = p.spec.plain() ? b.var[k] / s : s * s * b.rstd[k],
                     e_s = s > 0 ? of_var + 2 * u64 * s : 0;
        v[Quantity::norm].push_back(e_s);
        if (!p.has_correction()) continue;
        const std::size_t c = k % in.state.mean.size();
        const double sigma = running_sigma(p.spec, spread_of(in.state)[c]);
        v[Quantity::raw_r].push_back(e_s / sigma + 4 * u64 * size(block.raw_r));
        v[Quantity::raw_d].push_back(b.mean[k] / sigma + 4 * u64 * size(block.raw_d));
    }
    if (p.spec.running != Running::none) {
        v[Quantity::running_mean].resize(static_cast<std::size_t>(p.shape.C)),
            v[Quantity::running_spread].resize(static_cast<std::size_t>(p.shape.C));
        for (std::size_t c = 0; c < before.mean.size(); ++c)
            v[Quantity::running_mean][c] += before.mean[c], v[Quantity::running_spread][c] += before.spread[c];
    }
    add_inherited(v, in, t, before);
    return v;
}

std::vector<double> outside_error(const Target& target, const Inputs<double>& in, const truth::Result& t,
                                  const std::vector<bool>& without) {
    if (target.quantity == Quantity::count) return {0};
    const DType dtype = target.source != Source::f32  ? DType::f64
                        : is_narrow(in.problem.dtype) ? in.problem.dtype
                                                      : DType::f32;
    const Inputs<double> same = dtype == in.problem.dtype ? in : in.as<double>(dtype);
    const double shorter = target.source == Source::ref80 ? 0x1p-11 : 1,
                 rounding =
                     std::max(unit_roundoff(dtype), storage_roundoff(row_of(target.quantity).dtype(same.problem)));
    std::vector<double> error = bounds_of(same, t, Accumulation::sequential, {})[target.quantity];
    error.resize(target.values.size());
    double largest = 0;
    for (std::size_t i = 0; i < target.values.size(); ++i)
        if (std::isfinite(target.values[i]) && !without[i]) largest = std::max(largest, std::abs(target.values[i]));
    for (std::size_t i = 0; i < error.size(); ++i) {
        error[i] = shorter * error[i] + (std::isfinite(target.values[i]) ? rounding * std::abs(target.values[i]) : 0);
        if (target.source == Source::f64) error[i] = std::max(error[i], 1e-13 * largest);
    }
    return error;
}

}  // namespace normlab::verify
