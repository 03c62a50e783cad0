#include "verify/checks/exhaustive_pairs.hpp"

#include <algorithm>

#include "norms/running_stats.hpp"

namespace normlab::verify {
namespace {
constexpr double share = 1 - 1e-6;
}

void Pairs::forward(double a, const double* b) {
    const bool centred = spec_.centred();
    const double q = spec_.divisor_of(2);
    for (std::size_t k = 0; k < count; ++k) {
        const double d = (a - b[k]) * 0.5;
        const double first = centred ? d : a, second = centred ? -d : b[k];
        const double squares = first * first + second * second + (spec_.plain() ? q * spec_.eps : 0);
        double rstd = squares > 0 ? std::sqrt(q) / std::sqrt(squares) : squares;  // NaN stays NaN
        if (!spec_.plain() && squares >= 0) {
            const double s = sigma_of(spec_, squares / q);
            rstd = s > 0 ? 1 / s : 0;
            slope_[k] = slope_of(spec_, squares / q);
        }
        rstd_[k] = rstd;
        x_hat_[0][k] = first * rstd, x_hat_[1][k] = second * rstd;
    }
    if (renorm_)
        for (std::size_t k = 0; k < count; ++k) {
            r_[k] = std::min(std::max(1 / rstd_[k], 1 / r_max_), r_max_);
            d_[k] = std::min(std::max((a + b[k]) * 0.5, -d_max_), d_max_);
        }
    else r_.fill(1), d_.fill(0);
    for (int e = 0; e < 2; ++e)
        for (std::size_t k = 0; k < count; ++k) {
            const double scaled = r_[k] * x_hat_[e][k], y = scaled + d_[k];
            truth[e][k] = y;
            least[e][k] = share * (u_io_ * std::abs(y) + 6 * u_ * (std::abs(scaled) + std::abs(d_[k])) + tiny_);
        }
}

void Pairs::backward(double g0, double g1) {
    const double q = spec_.divisor_of(2), of_g = spec_.centred() ? 0.5 : 0;
    for (std::size_t k = 0; k < count; ++k) {
        const double r = r_[k], rstd = rstd_[k], p = x_hat_[0][k], n = x_hat_[1][k];
        const double mean_g = of_g * (g0 + g1) * r, sizes = of_g * (std::abs(g0) + std::abs(g1)) * r;
        const double by = slope_[k] * r / q, mean_hat = (g0 * p + g1 * n) * by,
                     of_hat = (std::abs(g0 * p) + std::abs(g1 * n)) * by;
        const double first = (g0 * r - mean_g - p * mean_hat) * rstd, second = (g1 * r - mean_g - n * mean_hat) * rstd;
        const double terms0 = (std::abs(g0) * r + sizes + std::abs(p) * of_hat) * rstd,
                     terms1 = (std::abs(g1) * r + sizes + std::abs(n) * of_hat) * rstd;
        truth[0][k] = first, truth[1][k] = second;
        least[0][k] = share * (u_io_ * std::abs(first) + 8 * u_ * terms0 + tiny_);
        least[1][k] = share * (u_io_ * std::abs(second) + 8 * u_ * terms1 + tiny_);
    }
}

}  // namespace normlab::verify
