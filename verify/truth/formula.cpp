// By formula, in pairs of doubles (u = 2^-53; wide.hpp has the errors of their operations). With T the terms of a
// result as bounds.hpp writes them:
//
//   mean    m additions and a quotient: off by (3 m + 15) u^2 mean|x| <= (3 m + 15) u^2 kappa s
//   var     each deviation inherits that, each square 5 u^2, m additions: relatively (9 m + 40) u^2 kappa
//   x_hat   (3 m + 15) u^2 kappa + |x_hat| (5 m + 50) u^2 kappa
//   sqrt(var) + eps as sqrt(var + eps); its slope, s / sqrt(var), a quotient more, with the error of sqrt(var)
//   y, dx, dgamma, dbeta: products and sums of these: at most (20 m' + 200) u^2 kappa T, m' the longest sum
//
// bounds.hpp allows no less than 2^-53 kappa T, or 2^-46 kappa T + 6 2^-24 T where an implementation is kappa-free (f32
// and 16-bit data). So truth is off by less than (20 m' + 200) 2^-53 of a bound: 2^-22 of it at m' = 2^26. That is
// added to no bound.
//
//   statistics of a part (of layers whose mean stays: kappa = 1): k for m in var; x_hat, of whatever size, is off
//   relatively
//   behind an activation: its value and slope, off by 2^-85 of |z| and of 1 (activation.hpp), where a bound allows 4 u
//
//   ddx, ddy, ddgamma: sums of products that have such sums as factors: at most 4 (20 m' + 200) u^2 kappa T with the
//   terms
//     of bounds_twice.cpp, which allows no less than four times the above. x_hat comes twice: kappa^2 where T is that
//     of the terms alone; checks of the double backward draw no kappa above 1000, and 1000 * 2^-22 of a bound is none

#include <algorithm>

#include "verify/truth/activation.hpp"
#include "verify/truth/ways.hpp"

namespace normlab::truth {
namespace {

// Products of three numbers, two roots and what a pair of doubles leaves of them stay within double's range.
bool in_middle(double v) { return v == 0 || (std::abs(v) >= 0x1p-150 && std::abs(v) <= 0x1p150); }

}  // namespace

bool may_use_formula(const verify::Inputs<double>& in) {
    const auto fit = [](const std::vector<double>& v) { return std::ranges::all_of(v, in_middle); };
    const auto those_that_count_fit = [&](const std::vector<double>& v) {
        for (std::size_t i = 0; i < v.size(); ++i)
            if (in.counts(i) && !in_middle(v[i])) return false;
        return true;
    };
    if (in.problem.spec.adds())
        return fit(in.ds) && may_use_formula(in.without_residual(in.seen())) && those_that_count_fit(in.stored());
    return is_kernel_dtype(in.problem.dtype) && in_middle(in.problem.spec.eps) && those_that_count_fit(in.x) &&
           those_that_count_fit(in.dy) && fit(in.gamma) && fit(in.beta) && fit(in.tau) && fit(in.v) && fit(in.u) &&
           fit(in.w) && fit(in.state.mean) && fit(in.state.var) && fit(in.state.sigma);
}

void ByFormula::statistics(Block& block) {
    mean_ = Wide(block.mean);
    Wide s(block.s);
    if (p_.own_statistics() && block.elements.size() < (p_.spec.divisor == Divisor::less_one ? 2 : 1)) {
        mean_ = p_.spec.centred() && !block.elements.empty() ? Wide(in_.x[block.elements[0]]) : Wide();
        if (given_) mean_ = Wide(block.mean);
        s = slope_ = Wide();
        block.mean = Quad(mean_), block.var = block.s = 0;
    } else if (p_.own_statistics()) {
        const auto m = static_cast<double>(block.elements.size());
        const double first = in_.x[block.elements[0]];
        Wide total, squares;
        bool equal = true;
        for (const std::size_t i : block.elements) total = total + in_.x[i], equal = equal && in_.x[i] == first;
        // a quotient is not exact, and equal elements have no variance
        if (p_.spec.centred() && !given_) mean_ = equal ? Wide(first) : total / m;
        for (std::size_t k = 0; k < std::min(block.part, block.elements.size()); ++k) {
            const Wide away = -mean_ + in_.x[block.elements[k]];
            squares += away * away;
        }
        const Wide var = given_ ? Wide(block.var) : squares / block.divisor;
        const double eps = p_.spec.eps;
        const Wide root = sqrt(var);
        slope_ = 1;
        switch (p_.spec.denominator) {
            case Denominator::root: s = sqrt(var + eps); break;
            case Denominator::added:
                s = root + eps;
                slope_ = root.high == 0 ? Wide() : s / root;
                break;
            case Denominator::floor: s = root, is_below((root - eps).high, s, eps); break;
            case Denominator::floor_root: s = root, is_below((var - eps).high, s, sqrt(Wide(eps))); break;
        }
        block.mean = Quad(mean_), block.var = Quad(var), block.s = Quad(s);
    }
    rstd_ = s.high == 0 ? Wide() : 1 / s;
}

void ByFormula::is_below(double above, Wide& s, const Wide& floor) {
    if (above < 0) s = floor, slope_ = Wide();
}

Wide ByFormula::times_factor(const Wide& v, std::size_t entry) const {
    return has_offset() ? v * wide::two_sum(p_.spec.gamma_offset, gamma(entry)) : v * gamma(entry);
}

Wide ByFormula::y_of_cast(const Wide& corrected, std::size_t entry) const {
    const Wide hat = cast(corrected);
    if (!std::isfinite(hat.high)) {  // beyond the data's type; pairs make NaN of it
        const double z = hat.high * in_.factor(entry) + beta(entry);
        return activated(p_.spec.activation, z, tau(entry));
    }
    return activated(p_.spec.activation, times_factor(hat, entry) + beta(entry), tau(entry));
}

void ByFormula::results(const Block& block) {
    const bool renorm = p_.has_correction(), own = p_.own_statistics(), activates = p_.spec.activates();
    const Wide r(block.r), d(block.d);
    Wide mean_g, mean_g_x_hat;
    for (const std::size_t i : block.elements) {
        const std::size_t entry = entry_of(i);
        const Wide x_hat = (-mean_ + in_.x[i]) * rstd_, corrected = renorm ? x_hat * r + d : x_hat;
        out_.x_hat[i] = x_hat;
        Wide& y = out_.y[i] = times_factor(corrected, entry) + beta(entry);
        Wide dz = in_.dy.empty() ? 0 : in_.dy[i];
        if (activates) {
            const Wide z = out_.z[i] = y;
            y = activated(p_.spec.activation, z, tau(entry));
            const Wide slope = activation_slope(p_.spec.activation, z, tau(entry));
            if (!out_.dtau.empty() && slope.high == 0) out_.dtau[entry] += dz;
            if (!in_.dy.empty()) dz = slope * dz;
        }
        if (p_.spec.casts()) y = y_of_cast(corrected, entry);  // which no gradient sees
        if (in_.dy.empty()) continue;
        out_.dgamma[entry] += activates ? corrected * dz : corrected * dz.high;
        out_.dbeta[entry] = activates ? out_.dbeta[entry] + dz : out_.dbeta[entry] + dz.high;
        Wide& g = out_.dx[i] = times_factor(dz, entry);
        if (renorm) g = g * r;
        if (own) mean_g += g, mean_g_x_hat += g * x_hat;
    }
    if (in_.dy.empty()) return;
    mean_g = p_.spec.centred() ? mean_g / static_cast<double>(block.elements.size()) : Wide();
    mean_g_x_hat = mean_g_x_hat / block.divisor * slope_;
    for (std::size_t k = 0; k < block.elements.size(); ++k) {
        const std::size_t i = block.elements[k];
        const Wide g = out_.dx[i];
        const bool moves_s = own && k < block.part;
        out_.dx[i] = (moves_s ? g - mean_g - out_.x_hat[i] * mean_g_x_hat : g) * rstd_;
    }
}

void ByFormulaTwice::results(const Block& block) {
    const bool own = p_.own_statistics();
    const Wide r(block.r), d(block.d);
    const auto given = [](const std::vector<double>& v, std::size_t i) { return v.empty() ? 0 : v[i]; };
    const auto g = [&](std::size_t i) { return times_factor(in_.dy[i], entry_of(i)) * r; };
    Wide mean_g, mean_v, along_g, along_v, T;
    for (const std::size_t i : block.elements) {
        const double v = given(in_.v, i);
        const Wide x_hat = out_.x_hat[i], of_g = g(i);
        mean_g += of_g, mean_v = mean_v + v;
        along_g += of_g * x_hat, along_v += x_hat * v, T += of_g * v;
    }
    const auto m = static_cast<double>(block.elements.size());
    const Wide sum_g = mean_g / block.divisor;
    mean_v = p_.spec.centred() ? mean_v / m : Wide();
    for (Wide* sum : {&along_g, &along_v, &T}) *sum = *sum / block.divisor;
    // with t the slope: t (1/q) sum g P(v) - t^2 (t - 1) A B
    const Wide of_both = along_g * along_v * slope_;
    T = (T - sum_g * mean_v - of_both) * slope_ - of_both * slope_ * (slope_ + -1.0);
    along_g = along_g * slope_, along_v = along_v * slope_;

    std::vector<Wide> h;
    Wide mean_h, along_h;
    for (const std::size_t i : block.elements) {
        const std::size_t entry = entry_of(i);
        const double v = given(in_.v, i), u = given(in_.u, entry);
        const Wide x_hat = out_.x_hat[i], Pv = own ? -mean_v + v - x_hat * along_v : Wide(v), by_v = Pv * rstd_ * r,
                   of_u = wide::two_product(u, in_.dy[i]) * r;
        out_.ddy[i] = times_factor(by_v, entry) + (x_hat * r + d) * u + given(in_.w, entry);
        out_.ddgamma[entry] += by_v * in_.dy[i];
        h.push_back(own ? of_u - rstd_ * (g(i) * along_v + along_g * v) : of_u);
        mean_h += h.back(), along_h += h.back() * x_hat;
    }
    mean_h = p_.spec.centred() ? mean_h / m : Wide(), along_h = along_h / block.divisor * slope_;
    for (std::size_t k = 0; k < h.size(); ++k) {
        const std::size_t i = block.elements[k];
        const Wide x_hat = out_.x_hat[i];
        out_.ddx[i] = own ? rstd_ * (h[k] - mean_h - x_hat * along_h) - rstd_ * rstd_ * x_hat * T : rstd_ * h[k];
    }
}

}  // namespace normlab::truth
