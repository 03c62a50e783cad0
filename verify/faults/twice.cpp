// The double backward, block by block.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "norms/element.hpp"
#include "verify/faults/layer.hpp"

namespace normlab::verify::faults {

struct FaultyLayer::Twice {
    BlockStatistics s;
    Values hat, dy, gamma, v, u, w;
    Values ddx, ddy, ddgamma;
};

void FaultyLayer::add_second(Twice& of, std::int64_t block) const {
    const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
    const Set& set = blocks_[at(block)];
    const double m = static_cast<double>(set.size()), ddof = m > f_.twice_ddof ? f_.twice_ddof : 0, less = m - ddof,
                 own_q = divisor(m, false), q = own_q > 1 ? own_q - ddof : own_q;
    const double r = of.s.r[at(block)], d = of.s.d[at(block)], rstd = of.s.rstd[at(block)];
    const bool means = own_ ? f_.twice_train_given == 0 : f_.twice_eval_means != 0;
    const double t = own_ && f_.slope_in_second != 0 ? x_hat_factor(of.s.var[at(block)]) : 1;
    const double r_of_second = f_.r_in_second != 0 ? r : 1;

    // of an array over the block: its mean, where that is removed, and (1/q) sum a x_hat
    const auto mean = [&](const Values& a) {
        double sum = 0;
        for (const double e : a) sum += e;
        return means && centred_ ? sum / less : 0;
    };
    const auto along = [&](const Values& a) {
        double sum = 0;
        for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * of.hat[at(set[k])];
        return means ? t * sum / q : 0;
    };
    Values g, v, P, h;
    for (const std::int64_t i : set) {
        g.push_back(of.gamma[at(entry(i))] * r_of_second * of.dy[at(i)]);
        v.push_back(of.v[at(i)]);
    }
    const double mean_v = mean(v), mean_g = mean(g), along_v = along(v), along_g = along(g);
    // t (1/q) sum g P(v) - t^2 (t - 1) A B, where along is t A and t B
    const double moved = f_.slope_moves != 0 ? t - 1 : 0;
    double T = -t * f_.means_of_rstd_term * mean_g * mean_v * less / q - (1 + moved) * along_g * along_v;
    for (std::size_t k = 0; k < set.size(); ++k) {
        const auto i = set[k];
        const double hat = of.hat[at(i)], u = of.u[at(entry(i))];
        T += t * g[k] * v[k] / q;
        P.push_back(v[k] - f_.mean_v * mean_v - f_.along_v * hat * along_v);
        h.push_back(f_.u_in_ddx * r_of_second * u * of.dy[at(i)] -
                    (means ? rstd * (f_.g_in_h * g[k] * along_v + f_.v_in_h * v[k] * along_g) : 0));
    }
    const double mean_h = mean(h), along_h = along(h);
    for (std::size_t k = 0; k < set.size(); ++k) {
        const std::int64_t i = set[k];
        const std::size_t c = at(entry(i));
        const double hat = of.hat[at(i)], last = sample(i) + 1 == N_ ? f_.last_sample_ddgamma : 1;
        of.ddy[at(i)] =
            f_.ddy * ((f_.gamma_in_ddy != 0 ? of.gamma[c] : 1) * r_of_second * rstd * P[k] +
                      f_.u_in_ddy * of.u[c] * (hat * r_of_second + f_.d_in_ddy * d) + f_.w_in_ddy * of.w[c]);
        of.ddgamma[c] += last * r_of_second * rstd * of.dy[at(i)] * (f_.P_in_ddgamma != 0 ? P[k] : v[k]) *
                         (f_.ddgamma_by_gamma != 0 ? of.gamma[c] : 1);
        of.ddx[at(i)] = f_.ddx * (rstd * (h[k] - f_.mean_h * mean_h - f_.along_h * hat * along_h) -
                                  (means ? f_.rstd_term * rstd * rstd * hat * T : 0));
    }
}

void FaultyLayer::backward_backward(const normlab_backward_backward_args& a) {
    const auto size = static_cast<std::size_t>(N_ * C_ * S_);
    const auto kept = [&](const double* from, double absent) {
        return from ? Values(from, from + p_.statistics) : Values(static_cast<std::size_t>(p_.statistics), absent);
    };
    Twice of{
        {kept(a.saved.mean, 0), kept(a.saved.var, 0), kept(a.saved.rstd, 0), kept(a.saved.r, 1), kept(a.saved.d, 0)},
        {},
        read(a.dy, dy_at_, false, dtype_),
        factors(a.gamma, f_.offset * f_.offset_in_second),
        a.v ? read(a.v, dx_at_, false, dtype_) : Values(size, f_.absent_v),
        read_parameters(a.u, f_.absent_u),
        read_parameters(a.w, 0),
        Values(size),
        Values(size),
        Values(static_cast<std::size_t>(entries_))};
    if (f_.v_kept != 0) of.v = first_v_ = first_v_.empty() ? of.v : first_v_;
    of.hat = x_hat(read(a.x, x_back_at_, false, dtype_), of.s, 1);
    for (std::int64_t b = 0; b < p_.statistics; ++b) add_second(of, b);
    if (a.ddx) write(a.ddx, dx_at_, of.ddx, dtype_, f_.last_unwritten != 0);
    if (a.ddx && !a.ddgamma && f_.ddx_alone != 0) bump(a.ddx, dtype_, 0);
    if (a.ddy) {
        const std::int64_t end = last_place(dx_at_) * static_cast<std::int64_t>(size_of(dtype_));
        std::byte before[8], *last = static_cast<std::byte*>(a.ddy) + end;
        std::memcpy(before, last, size_of(dtype_));
        write(a.ddy, dx_at_, of.ddy, dtype_, f_.last_unwritten != 0);
        if (f_.ddy_unwritten != 0) std::memcpy(last, before, size_of(dtype_));
    }
    for (std::int64_t c = 0; c < entries_ && a.ddgamma; ++c)
        write_element(a.ddgamma, params_, c, f_.ddgamma * of.ddgamma[static_cast<std::size_t>(c)]);
    if (f_.writes_v != 0 && a.v) bump(const_cast<void*>(a.v), dtype_, last_place(dx_at_));
}

}  // namespace normlab::verify::faults
