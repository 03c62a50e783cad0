#pragma once
// What may stand behind a norm, for truth and its bounds; nothing here is shared with an implementation.

#include "norms/spec.hpp"
#include "verify/truth/wide.hpp"

namespace normlab::truth {

/// By formula: y of z and, written down again, dy/dz. Relatively to |z| and to 1 they are off by less than 2^-85
/// (activation.cpp). tau is that of a threshold.
Wide activated(Activation by, const Wide& z, double tau = 0);
Wide activation_slope(Activation by, const Wide& z, double tau = 0);

/// erf(x) = 2 / sqrt(pi) x exp(-x^2) sum over n of (2 x^2)^n / (1 * 3 * ... * (2 n + 1)): all of one sign, so that
/// nothing cancels. `factor` is 2 / sqrt(pi), `decay` exp(-x^2). From |x| = 9 on it is 1 to 2^-113.
template <class T>
T erf_by_series(const T& x, const T& factor, const T& decay) {
    const double size = std::abs(static_cast<double>(x));
    if (size >= 9) return T(static_cast<double>(x) > 0 ? 1.0 : -1.0);
    const T square = x * x * T(2.0);
    T term(1.0), sum(1.0);
    for (int n = 1; static_cast<double>(term) > 0x1p-120 * static_cast<double>(sum); ++n) {
        term = term * square / T(2.0 * n + 1);
        sum = sum + term;
    }
    return factor * x * decay * sum;
}

/// How far y = act(z) and act'(z) may be off where z is by as much as `error`, and what is formed of it is rounded to
/// u.
struct ActivationErrors {
    double y, slope;
    double steepness;  ///< |act'(z)|, to some digits
};
ActivationErrors activation_errors(Activation by, double z, double error, double u, double tau = 0);

}  // namespace normlab::truth
