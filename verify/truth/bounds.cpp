#include "verify/truth/bounds.hpp"

#include <algorithm>
#include <cmath>

#include "verify/truth/truth.hpp"

namespace normlab::verify {
namespace {

double chain(double n, Accumulation a, DType d, Limit limit) {
    double l = n;
    if (a == Accumulation::tree || (a == Accumulation::kappa_free && d == DType::f64)) l = 1 + std::log2(std::max(n, 1.0));
    if (a == Accumulation::f64 && d != DType::f64) l = 1 + n * 0x1p-29;
    return limit == Limit::hard ? std::max(l, 1.0) : std::sqrt(std::max(l, 1.0));
}

// All of the block equal, with so few digits that sums are exact in any order: the mean is exact, however large.
bool exact_mean(const truth::Block& b, const std::vector<double>& x, double m, double u) {
    const double first = x[b.elements[0]];
    if (std::ranges::any_of(b.elements, [&](std::size_t i) { return x[i] != first; })) return false;
    int exponent = 0;
    const double digits = std::ldexp(std::frexp(first, &exponent), 53);   // a whole number
    double odd = std::abs(digits);
    while (odd > 0 && std::fmod(odd, 2) == 0) odd /= 2;
    return odd * m <= 1 / u;
}

double size(const Quad& v) { return std::abs(static_cast<double>(v)); }

}  // namespace

Bounds error_bounds(const Inputs<double>& in, const truth::Result& t, Accumulation accumulation, Limit limit, Repeats repeats) {
    const Problem& p = in.problem;
    const DType dtype = p.dtype;
    const double u = unit_roundoff(dtype), u_io = storage_roundoff(dtype);
    const double tiny = 4 * row_of(dtype).smallest_subnormal, tiny_inside = 4 * row_of(param_dtype(dtype)).smallest_subnormal, tiny_param = tiny_inside;
    const bool in_f64 = dtype != DType::quad && (accumulation == Accumulation::kappa_free || accumulation == Accumulation::f64);
    const bool kappa_free = accumulation == Accumulation::kappa_free && dtype != DType::f64;
    const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
    const bool has_dy = !in.dy.empty();

    Bounds out;
    out.y.resize(in.x.size());
    if (has_dy) {
        out.dx.resize(in.x.size());
        out.dgamma.resize(C), out.dbeta.resize(C);
    }
    std::vector<double> sum_dy(C), sum_dy_kappa(C), sum_dy_x_hat(C);
    for (const truth::Block& b : t.blocks) {
        const double m = repeats.block * static_cast<double>(b.elements.size()), s = size(b.s), r = size(b.r), d = size(b.d);
        const double l = p.own_statistics() ? chain(m, accumulation, dtype, limit) : 1;
        const double kappa = p.own_statistics() && exact_mean(b, in.x, m, u) ? 1 : b.kappa;
        const double luk = l * u * kappa, dv = std::max(l * u + luk * luk, luk);
        const bool d_free = size(b.raw_d) - 4 * luk * size(b.raw_r) < p.spec.d_max;
        const double moved = p.slices() > 1 ? 0x1p-51 * static_cast<double>(p.slices()) : 0;   // of running statistics, slice after slice
        const double moved_d = d_free ? moved * (size(b.raw_d) + kappa * size(b.raw_r)) : 0;
        const double renorm = p.has_correction() ? (d_free ? 4 * luk * size(b.raw_r) : 0) + 4 * u * d + moved_d : 0;
        // clipped only if it still is when it moves by its own error
        const double reach = std::max({1.0, r, d_free && p.has_correction() ? size(b.raw_r) : 0.0});   // how far an error of the mean goes: into x_hat r and d
        const bool r_free = size(b.raw_r) * (1 - 2 * dv) < p.spec.r_max && size(b.raw_r) * (1 + 2 * dv) > 1 / p.spec.r_max;
        const double wide = 0x1p-53 * m * kappa;   // statistics summed and kept in f64
        const double lost = in_f64 ? wide : luk, lost_var = in_f64 ? wide : dv;
        const double given = p.own_statistics() ? 0 : 4 * (in_f64 ? 0x1p-53 : u) * (s * s + p.spec.eps);   // sigma rounded, squared, less eps
        out.mean.push_back(2 * lost * s + 0x1p-50 * size(b.mean) + (in_f64 ? 0 : row_of(dtype == DType::f64 ? dtype : DType::f32).smallest_subnormal));
        out.var.push_back(std::max(2 * lost_var * s * s, given) + 0x1p-50 * size(b.var));
        out.rstd.push_back(s > 0 ? 4 * (lost_var / 2 + 3 * (in_f64 ? 0x1p-53 : u)) / s : 0);
        out.r.push_back(4 * (r_free ? lost_var / 2 : 0) * r + (4 * u + moved) * r);
        out.d.push_back((d_free ? 4 * lost * size(b.raw_r) : 0) + 4 * u * d + moved_d);

        double mean_g = 0, mean_g_x_hat = 0;
        if (has_dy)
            for (std::size_t i : b.elements) {
                const double g = (in.gamma.empty() ? 1 : std::abs(in.gamma[i / S % C])) * r * std::abs(in.dy[i]);
                mean_g += g / b.divisor;
                mean_g_x_hat += g * size(t.x_hat[i]) / b.divisor;
            }
        for (std::size_t i : b.elements) {
            const std::size_t c = i / S % C;
            const double gamma = in.gamma.empty() ? 1 : std::abs(in.gamma[c]), beta = in.beta.empty() ? 0 : std::abs(in.beta[c]);
            const double x_hat = size(t.x_hat[i]), result = r * x_hat + d;
            const double inside = s == 0 ? 0 : tiny_inside / s;   // what underflows before it is multiplied by 1 / s
            out.y[i] = u_io * size(t.y[i]) + tiny + gamma * inside;
            if (kappa_free) {
                out.y[i] += 6 * u * (gamma * result + beta) + 0x1p-46 * kappa * reach * gamma;
            } else {
                out.y[i] += gamma * (r * 4 * (luk + x_hat * (dv / 2 + 3 * u)) + renorm) + 2 * u * (gamma * result + beta);
            }
            if (!has_dy) continue;
            const double dy = std::abs(in.dy[i]), g = gamma * r * dy;
            sum_dy[c] += dy;
            sum_dy_kappa[c] += kappa * reach * dy;
            sum_dy_x_hat[c] += dy * result;
            out.dx[i] = u_io * size(t.dx[i]) + tiny + (1 + x_hat) * inside;
            if (s == 0) continue;
            const double means = p.own_statistics() ? mean_g + mean_g_x_hat : 0;
            if (kappa_free) {
                out.dx[i] += 8 * u / s * (g + (p.own_statistics() ? mean_g + x_hat * mean_g_x_hat : 0)) +
                             0x1p-46 * kappa / s * (1 + x_hat) * means;
            } else if (p.own_statistics()) {
                out.dx[i] += 8 * luk / s * (g + (1 + x_hat) * means);
            } else {
                out.dx[i] += 8 * u / s * g;
            }
        }
    }
    if (!has_dy) return out;
    const double block = t.blocks.empty() ? 1 : repeats.block * static_cast<double>(t.blocks[0].elements.size());
    const double terms = repeats.channel * static_cast<double>(p.shape.N * p.shape.S);
    const double l = chain(std::max(terms, p.own_statistics() ? block : 1), accumulation, dtype, limit);
    for (std::size_t c = 0; c < C; ++c) {
        out.dgamma[c] = tiny_param + repeats.channel * (kappa_free ? 8 * u * sum_dy_x_hat[c] + 0x1p-46 * sum_dy_kappa[c]
                                                                   : 8 * l * u * (sum_dy_kappa[c] + sum_dy_x_hat[c]));
        out.dbeta[c] = tiny_param + repeats.channel * (kappa_free ? 2 : 4 * l) * u * sum_dy[c];
    }
    return out;
}

std::pair<std::vector<double>, std::vector<double>> state_bounds(const Inputs<double>& in, const truth::Result& t, const Bounds& b) {
    const auto C = static_cast<std::size_t>(in.problem.shape.C);
    std::vector<double> mean(C), spread(C);
    for (std::size_t k = 0; k < t.blocks.size(); ++k) {
        const truth::Block& block = t.blocks[k];
        const auto m = static_cast<double>(block.elements.size()), s = static_cast<double>(block.s);
        const double bessel = in.problem.spec.running == Running::unbiased_variance ? m / (m - 1) : 1;
        const double by_spread = in.problem.spec.running == Running::sigma ? (s > 0 ? b.var[k] / s : 0) : bessel * b.var[k];
        mean[k % C] += b.mean[k], spread[k % C] += by_spread;
    }
    for (std::size_t c = 0; c < C; ++c) {
        mean[c] += 0x1p-48 * std::abs(static_cast<double>(t.running_mean[c])) + 0x1p-1040;
        spread[c] += 0x1p-48 * std::abs(static_cast<double>(t.running_spread[c])) + 0x1p-1040;
        if (!in.state.mean.empty()) {
            mean[c] += 0x1p-48 * std::abs(in.state.mean[c]);
            spread[c] += 0x1p-48 * std::abs(in.state.var.empty() ? in.state.sigma[c] : in.state.var[c]);
        }
    }
    return {mean, spread};
}

}  // namespace normlab::verify
