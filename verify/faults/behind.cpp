// What stands behind x_hat and behind the norm, in this layer's own words.

#include <cmath>
#include <numbers>

#include "norms/element.hpp"
#include "verify/faults/layer.hpp"

namespace normlab::verify::faults {
namespace {

constexpr double cubic = 0.044715;
const double root_2_over_pi = std::sqrt(2 / std::numbers::pi);

double tanh_of(double z) { return std::tanh(root_2_over_pi * (z + cubic * z * z * z)); }

}  // namespace

// As the data are stored.
double FaultyLayer::rounded_to_data(double v) const {
    if (f_.cast_f16_in_bf16 != 0 && cast_dtype_ == DType::f16) return rounded(v, DType::bf16);
    return f_.cast_truncated != 0 && is_narrow(cast_dtype_) ? toward_zero(v, cast_dtype_) : rounded(v, cast_dtype_);
}

// gamma times x_hat r + d, g being the gamma.
double FaultyLayer::scaled(double hat, double r, double d, double g) const {
    const bool casts = p_.cast == NORMLAB_CAST_BEFORE ? f_.casts != 0 : f_.casts_unasked != 0;
    double inner = (casts && f_.cast_before_r != 0 ? rounded_to_data(hat) : hat) * r + f_.d * d;
    if (casts && f_.cast_before_r == 0 && f_.cast_of_product == 0) inner = rounded_to_data(inner);
    if (f_.activates_first != 0) inner = activated(inner);
    return casts && f_.cast_of_product != 0 ? rounded_to_data(g * inner) : g * inner;
}

auto FaultyLayer::read_tau(const void* tau, const void* beta) const -> Values {
    if (!thresholds()) return {};
    Values values = read_parameters(f_.threshold_is_beta != 0 ? beta : tau, 0);
    for (double& v : values) v = f_.threshold * (f_.threshold_in_16_bits != 0 ? rounded(v, DType::bf16) : v);
    return values;
}

double FaultyLayer::tau_of(const Values& tau, std::size_t i) const {
    if (tau.empty()) return 0;
    const std::int64_t at = entry(static_cast<std::int64_t>(i));
    return tau[static_cast<std::size_t>(f_.threshold_of_next != 0 ? (at + 1) % entries_ : at)];
}

// dtau: what dz leaves of dy.
void FaultyLayer::sum_below(const Values& slopes, const Values& to_y, void* dtau) const {
    Values sums(static_cast<std::size_t>(entries_));
    for (std::size_t i = 0; i < slopes.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const double of_last = sample(at) + 1 == N_ ? f_.threshold_last_sample : 1,
                     share =
                         (slopes[i] == 1 ? f_.threshold_in_dtau : of_last) * (counts(i) ? 1 : f_.threshold_of_masked);
        if (share != 0) sums[static_cast<std::size_t>(entry(at))] += share * to_y[i];
    }
    if (f_.dtau_by_channel != 0) sum_by_channel(sums);
    for (std::int64_t k = 0; dtau && k < entries_; ++k)
        write_gradient(dtau, k, f_.dtau * sums[static_cast<std::size_t>(k)], false);
}

double FaultyLayer::activated(double z, double tau) const {
    if (f_.z_in_16_bits != 0) z = rounded(z, size_of(dtype_) == 2 ? dtype_ : DType::bf16);
    if (thresholds()) return z >= tau || (std::isnan(z) && f_.threshold_drops_nan == 0) ? z : tau;
    if (f_.infinite_z != 0 && std::isinf(static_cast<float>(z))) return z > 0 ? z : std::nan("");
    if (f_.exponential_overflows != 0 && p_.epilogue >= NORMLAB_ACTIVATION_SILU) {
        const auto e =
            static_cast<float>(std::exp(p_.epilogue == NORMLAB_ACTIVATION_SILU ? z : 2 * root_2_over_pi * z));
        if (std::isinf(e)) return std::nan("");
    }
    if (std::isinf(z) && z < 0 && p_.epilogue != NORMLAB_ACTIVATION_NONE) return 0;
    const bool by_erf = (p_.epilogue == NORMLAB_ACTIVATION_GELU) == (f_.gelu_exchanged == 0);
    switch (p_.epilogue) {
        case NORMLAB_ACTIVATION_RELU: return z < 0 || (f_.relu_drops_nan != 0 && std::isnan(z)) ? 0 : z;
        case NORMLAB_ACTIVATION_SILU: return z / (1 + std::exp(-z));
        case NORMLAB_ACTIVATION_GELU:
        case NORMLAB_ACTIVATION_GELU_TANH:
            return by_erf ? z * std::erfc(-z / std::numbers::sqrt2) / 2 : z * (1 + tanh_of(z)) / 2;
        default: return z;
    }
}

double FaultyLayer::activation_slope(double z, double tau) const {
    if (thresholds()) return z < tau || (f_.threshold_below_tie != 0 && z == tau) ? f_.threshold_passes : 1;
    if (std::isinf(z) && p_.epilogue != NORMLAB_ACTIVATION_NONE) return z > 0 ? 1 : 0;
    switch (p_.epilogue) {
        case NORMLAB_ACTIVATION_RELU: return std::isnan(z) ? z : z > 0 ? 1 : z == 0 ? f_.relu_slope_at_0 : 0;
        case NORMLAB_ACTIVATION_SILU: {
            const double s = 1 / (1 + std::exp(-z));
            return s * (1 + z * (1 - s));
        }
        case NORMLAB_ACTIVATION_GELU:
            return std::erfc(-z / std::numbers::sqrt2) / 2 + z * std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
        case NORMLAB_ACTIVATION_GELU_TANH: {
            const double t = tanh_of(z), by_t = (1 - t * t) * root_2_over_pi / 2;
            return (1 + t) / 2 + (by_t == 0 ? 0 : z * by_t * (1 + 3 * cubic * z * z));
        }
        default: return 1;
    }
}

// dz / dy of each element.
auto FaultyLayer::slopes(const Values& hat, const BlockStatistics& s, const Values& gamma, const Values& beta,
                         const Values& tau) const -> Values {
    Values by(hat.size(), 1);
    if (f_.activation_slope == 0) return by;
    for (std::size_t i = 0; i < by.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const auto b = static_cast<std::size_t>(block_[i]);
        const double z = gamma[static_cast<std::size_t>(gamma_index(at))] * (hat[i] * s.r[b] + s.d[b]) +
                         f_.beta_in_z * beta[static_cast<std::size_t>(beta_index(at))];
        by[i] = activation_slope(f_.slope_at_y != 0 ? activated(z, tau_of(tau, i)) : z, tau_of(tau, i));
    }
    return by;
}

}  // namespace normlab::verify::faults
