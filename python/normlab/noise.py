"""normlab.noise: what a batch of m independent values makes of its own statistics, outputs and gradients, exactly.

Values have mean 0 and variance 1, eps is 0, var = sum of squares / m. `mu_B`, `var_B` and sigma_B = sqrt(var_B) are those of the
batch. Where nothing else is said values are normal: m var_B is then chi-squared with m - 1 degrees of freedom, independent of the
mean. A law of variance s^2 follows by scaling. The study of the same name (`normlab study noise`) holds every law against kernels.

    normlab.noise.mean_sigma(8)             # E[sigma_B] = 0.903, below the 1 of evaluation with the right variance
    normlab.noise.variance_of_mean([2, 4])  # arrays in, arrays out

Every function takes numbers, or arrays that broadcast.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from normlab import _core

if TYPE_CHECKING:
    from normlab._given import ArrayLike

__all__ = ["Moments", "Growth", "moments", "variance_of_mean", "mean_of_variance", "variance_of_variance", "covariance", "mean_sigma",
           "mean_inverse_sigma", "mean_inverse_variance", "mean_inverse_capped", "gap", "gap_biased", "x_hat_kurtosis", "x_hat_law", "mean_relu",
           "chi_squared_law", "clusters_variance_of_mean", "moving_average_variance", "clipped_r", "clipped_d", "gradient_fraction",
           "growth_linear", "growth_relu", "sphere_gradient", "sphere_gradient_squared"]


class Moments(NamedTuple):
    mu3: float
    kurtosis: float


class Growth(NamedTuple):
    """Batch norm between wide random layers: `rate` is the squared gradient below a layer over that above it (infinite at m <= 3), `a`
    the variance of pre-activations above their common part."""

    a: float
    rate: float


def _over(law: Callable[..., float], *values: Any) -> Any:
    """The law of numbers, or of each element of arrays."""
    if all(np.ndim(value) == 0 for value in values):
        return law(*(float(value) for value in values))
    return np.vectorize(lambda *of: law(*(float(value) for value in of)), otypes=[np.float64])(*values)


def moments(distribution: Literal["normal", "uniform", "exponential"]) -> Moments:
    """Third central moment and kurtosis E[x^4] of the distribution with mean 0 and variance 1."""
    return Moments(*_core.noise.moments(distribution))


def variance_of_mean(m: ArrayLike) -> Any:
    """Var[mu_B] = 1 / m, of any distribution."""
    return _over(_core.noise.variance_of_mean, m)


def mean_of_variance(m: ArrayLike) -> Any:
    """E[var_B] = (m - 1) / m, of any distribution."""
    return _over(_core.noise.mean_of_variance, m)


def variance_of_variance(m: ArrayLike, kurtosis: ArrayLike = 3.0) -> Any:
    """Var[var_B] = (m - 1) ((m - 1) kurtosis - (m - 3)) / m^3, of a distribution with that kurtosis E[x^4] (normal: 3)."""
    return _over(_core.noise.variance_of_variance, m, kurtosis)


def covariance(m: ArrayLike, mu3: ArrayLike) -> Any:
    """Cov[mu_B, var_B] = (m - 1) mu3 / m^2, of a distribution with that third central moment."""
    return _over(_core.noise.covariance, m, mu3)


def mean_sigma(m: ArrayLike) -> Any:
    """E[sigma_B] = sqrt(2 / m) Gamma(m / 2) / Gamma((m - 1) / 2)."""
    return _over(_core.noise.mean_sigma, m)


def mean_inverse_sigma(m: ArrayLike) -> Any:
    """E[1 / sigma_B], what x - mu_B is multiplied by on average; infinite at m = 2."""
    return _over(_core.noise.mean_inverse_sigma, m)


def mean_inverse_variance(m: ArrayLike) -> Any:
    """E[1 / var_B] = m / (m - 3); infinite at m <= 3."""
    return _over(_core.noise.mean_inverse_variance, m)


def mean_inverse_capped(m: ArrayLike, power: Literal[1, 2], limit: ArrayLike) -> Any:
    """E[min(1 / sigma_B^power, limit)]: finite for every m; it grows without bound with limit where the mean itself is infinite."""
    return _over(lambda of, cap: _core.noise.mean_inverse_capped(of, power, cap), m, limit)


def gap(m: ArrayLike) -> Any:
    """E[(x_hat_train - x_hat_eval)^2] = 2 (1 - E[sigma_B]): training against evaluation with the right mean and variance."""
    return _over(_core.noise.gap, m)


def gap_biased(m: ArrayLike) -> Any:
    """The same against evaluation with the mean of biased variances, (m - 1) / m."""
    return _over(_core.noise.gap_biased, m)


def x_hat_kurtosis(m: ArrayLike) -> Any:
    """E[x_hat^4] = 3 (m - 1) / (m + 1): x_hat is uniform on a sphere in m - 1 dimensions."""
    return _over(_core.noise.x_hat_kurtosis, m)


def x_hat_law(m: ArrayLike, t: ArrayLike) -> Any:
    """P(x_hat^2 <= (m - 1) t): no x_hat is beyond sqrt(m - 1). m is 3 or more."""
    return _over(_core.noise.x_hat_law, m, t)


def mean_relu(m: ArrayLike) -> Any:
    """E[relu(x_hat)]."""
    return _over(_core.noise.mean_relu, m)


def chi_squared_law(k: ArrayLike, y: ArrayLike) -> Any:
    """P(Y <= y), Y chi-squared with k degrees of freedom: the law of m var_B with k = m - 1."""
    return _over(_core.noise.chi_squared_law, k, y)


def clusters_variance_of_mean(c: ArrayLike, k: ArrayLike, rho: ArrayLike) -> Any:
    """Var[mu_B] of c clusters of k values with correlation rho inside each: rho / c + (1 - rho) / (c k)."""
    return _over(_core.noise.clusters_variance_of_mean, c, k, rho)


def moving_average_variance(m: ArrayLike, alpha: ArrayLike, steps: ArrayLike) -> Any:
    """Variance of a running mean after `steps` updates from 0, each with the weight alpha: alpha / ((2 - alpha) m) (1 - (1 - alpha)^(2 steps))."""
    return _over(_core.noise.moving_average_variance, m, alpha, steps)


def clipped_r(m: ArrayLike, r_max: ArrayLike) -> Any:
    """P(r < 1 / r_max) of batch renorm against population statistics: how often r = sigma_B / sigma is clipped from below."""
    return _over(_core.noise.clipped_r, m, r_max)


def clipped_d(m: ArrayLike, d_max: ArrayLike) -> Any:
    """P(|d| > d_max) of batch renorm against population statistics."""
    return _over(_core.noise.clipped_d, m, d_max)


def gradient_fraction(m: ArrayLike) -> Any:
    """Of an isotropic gradient, the part that passes batch norm backward: (m - 2) / m, since 1 and x_hat are projected out."""
    return _over(_core.noise.gradient_fraction, m)


def growth_linear(m: float) -> Growth:
    """Growth of gradients through linear layers with batch norm: the rate is (m - 2) / (m - 3)."""
    return Growth(*_core.noise.growth_linear(m))


def growth_relu(m: float) -> Growth:
    """The same with relu behind batch norm; the rate tends to pi / (pi - 1) as m grows."""
    return Growth(*_core.noise.growth_relu(m))


def sphere_gradient(m: ArrayLike, p: ArrayLike) -> Any:
    """E|dw|^2 of a linear loss sum t_j x_hat_j by w, |w| = 1, of x_hat of X w, X [m, p] and t normal with variance 1 and 1 / m."""
    return _over(_core.noise.sphere_gradient, m, p)


def sphere_gradient_squared(m: ArrayLike, p: ArrayLike) -> Any:
    """E|dw|^4 of the same; m is above 5."""
    return _over(_core.noise.sphere_gradient_squared, m, p)
