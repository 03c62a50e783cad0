#pragma once
// Faults planted in a copy of the reference (see CMakeLists.txt): the expressions that the copy calls in place of the right ones.

#include <cmath>
#include <string_view>
#include <type_traits>

#include "norms/registry.hpp"

namespace normlab::planted {

enum class Fault {
    none, mean_term_dropped, x_hat_term_dropped, eps_outside_root, unbiased_normalisation, biased_running_variance, momentum_reversed, r_not_frozen,
    gamma_by_group, first_dx_off, means_over_m_minus_1, first_dgamma_off
};
inline constexpr Fault faults[] = {Fault::none,          Fault::mean_term_dropped,      Fault::x_hat_term_dropped,
                                   Fault::eps_outside_root, Fault::unbiased_normalisation, Fault::biased_running_variance,
                                   Fault::momentum_reversed, Fault::r_not_frozen,          Fault::gamma_by_group,
                                   Fault::first_dx_off,  Fault::means_over_m_minus_1,   Fault::first_dgamma_off};
std::string_view name_of(Fault fault);

/// The implementation with this fault, registered under its name.
const Implementation& with_fault(Fault fault);

inline thread_local Fault active = Fault::none;

template <class A, class G>
A planted_dx(const Problem& p, const A& rstd, const G& g, const A& mean_g, const A& x_hat, const A& mean_g_x_hat) {
    if (active == Fault::mean_term_dropped) return rstd * (g - x_hat * mean_g_x_hat);
    if (active == Fault::x_hat_term_dropped) return rstd * (g - mean_g);
    if (active == Fault::r_not_frozen && p.spec.correction == Correction::renorm) return rstd * g;   // differentiated through r and d, inside the limits
    using T = typename A::value_type;
    if (active == Fault::means_over_m_minus_1) {
        const T m(static_cast<double>(p.block_size()));
        return rstd * (g - (mean_g + x_hat * mean_g_x_hat) * (m / (m - T(1))));
    }
    A dx = rstd * (g - mean_g - x_hat * mean_g_x_hat);
    if (active == Fault::first_dx_off) *dx.begin() *= T(1.01);
    return dx;
}

template <class A>
A planted_dgamma(A dgamma) {
    if (active == Fault::first_dgamma_off) *dgamma.begin() *= typename A::value_type(1.01);
    return dgamma;
}

template <class T>
T planted_rstd(const T& var, const T& eps) {
    using std::sqrt;
    if (active == Fault::eps_outside_root) return T(1) / (sqrt(var) + eps);
    return T(1) / sqrt(T(var + eps));
}

template <class T>
T planted_divisor(const Problem& p, const T& q) {
    return active == Fault::unbiased_normalisation && p.spec.centred() ? q - T(1) : q;
}

inline std::int64_t planted_channel(const Problem& p, std::int64_t c) {
    return active == Fault::gamma_by_group && p.spec.groups > 1 ? c / p.channels_per_group() : c;
}

}  // namespace normlab::planted
