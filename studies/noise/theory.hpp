#pragma once
// The closed forms: what a batch of m independent values (mean 0, variance 1 unless said) makes of its statistics, eps
// = 0, var = sum of squares / m. Each says why it is so. Y is chi-squared with k = m - 1 degrees of freedom: for normal
// data m var ~ Y, independent of the mean (Cochran 1934).

#include <cstdint>

#include "system/random.hpp"

namespace normlab::noise::theory {

using random::Distribution;

/// Third central moment and kurtosis E[x^4], from the definitions of the distributions.
struct Moments {
    double mu3, kurtosis;
};
Moments moments(Distribution distribution);

// Any distribution: sums of independent values; the last two by expanding the central moments (Cramer 1946, section
// 27.4).
double variance_of_mean(double m);                       ///< 1/m
double mean_of_variance(double m);                       ///< (m-1)/m
double variance_of_variance(double m, double kurtosis);  ///< (m-1) [(m-1) kurtosis - (m-3)] / m^3
double covariance(double m, double mu3);                 ///< Cov[mean, var] = (m-1) mu3 / m^2

// Normal: moments of chi and inverse chi, E[Y^a] = 2^a Gamma(k/2 + a) / Gamma(k/2) for k/2 + a > 0; infinite otherwise.
double mean_sigma(double m);             ///< E[sqrt(var)] = sqrt(2/m) Gamma(m/2) / Gamma((m-1)/2)
double mean_inverse_sigma(double m);     ///< sqrt(m/2) Gamma((m-2)/2) / Gamma((m-1)/2)
double mean_inverse_variance(double m);  ///< m / (m-3)

/// E[min(var^(-power/2), limit)], power 1 or 2: sqrt(m)^power E[Y^(-power/2); Y > y] + limit P(Y <= y), y = m
/// limit^(-2/power), by the upper incomplete gamma function. Finite for every m; it grows without bound with `limit`
/// where the mean itself is infinite.
double mean_inverse_capped(double m, int power, double limit);

/// E[(x_hat_train - x_hat_population)^2]: mean x_hat^2 = 1, mean (x_hat x) = sigma_B, E[x^2] = 1, with x_hat_population
/// = x / s: 1 + 1/s^2 - 2 E[sigma_B] / s.
double gap(double m);         ///< s = 1: 2 (1 - E[sigma_B])
double gap_biased(double m);  ///< s^2 = (m-1)/m

/// x_hat lies uniformly on the sphere of radius sqrt(m) in the m-1 dimensions orthogonal to 1.
double x_hat_kurtosis(double m);       ///< 3 (m-1) / (m+1)
double x_hat_law(double m, double t);  ///< P(x_hat^2 / (m-1) <= t), Beta(1/2, (m-2)/2); m >= 3
/// E[relu(x_hat)] = sqrt((m-1)/pi) Gamma((m-1)/2) / Gamma(m/2) / 2
double mean_relu(double m);

double chi_squared_law(double k, double y);  ///< P(Y <= y)

/// c clusters of k, correlation rho inside: the mean of the means: rho/c + (1-rho)/(ck).
double clusters_variance_of_mean(double c, double k, double rho);
/// Running mean after `steps` updates from 0 (weights alpha (1-alpha)^i): alpha / ((2-alpha) m) * (1 - (1-alpha)^(2
/// steps)).
double moving_average_variance(double m, double alpha, double steps);
/// P(sigma_B < 1/r_max) = P(Y < m / r_max^2) and P(|mean| > d_max) = 2 Phi(-d_max sqrt(m)), against population
/// statistics.
double clipped_r(double m, double r_max);
double clipped_d(double m, double d_max);

/// E|P g|^2 / |g|^2 for isotropic g: the backward pass projects out 1 and x_hat, 2 of m directions.
double gradient_fraction(double m);  ///< (m-2)/m

/// Wide random layers and batch norm (mean field, Yang et al. 2019): squared gradient below a layer over that above it.
/// The layer's input has the Gram matrix a (I - 11'/m) + b 11', so that its pre-activations have var = a Y / m, in an
/// isotropic direction, and gradients that arrive are isotropic and sum to 0 over the batch.
struct Growth {
    double a;     ///< what the pre-activations' variance is, above their common part
    double rate;  ///< of E|gradient|^2, a layer; infinite at m <= 3
};
/// a = m/(m-1) (x_hat has mean square 1 and sums to 0); rate = E[1/var] (m-2)/(m-1) = (m-2)/(m-3).
Growth growth_linear(double m);
/// x_hat through relu: with c = -1/(m-1), the correlation of two of its entries, a = 1/2 - (sqrt(1-c^2) + (pi - acos c)
/// c) / (2 pi) (arc-cosine kernel of order 1, Cho & Saul 2009; it is homogeneous, so the sphere's equals the normal's),
/// and of the gradient the entries with x_hat > 0 pass, n of them, so E|P D g|^2 = E n (1-1/m) - (E n - E n^2/m)/m - (E
/// S2 - E S1^2/m)/m, S1, S2 sums of x_hat and x_hat^2 over those entries. -> pi/(pi-1).
Growth growth_relu(double m);

/// L = sum t_j x_hat_j, t normal with variance 1/m, x_hat of X w, X [m, p] normal, |w| = 1. dw = X' dz has dz
/// orthogonal to 1 and x_hat, so X' dz is normal in p-1 directions with variance |dz|^2 = |P t|^2 / var. E and E of the
/// square of |dw|^2, the latter for m > 5.
double sphere_gradient(double m, double p);          ///< G = (p-1) (m-2) / (m-3)
double sphere_gradient_squared(double m, double p);  ///< (p-1) (p+1) m (m-2) / ((m-3) (m-5))

}  // namespace normlab::noise::theory
