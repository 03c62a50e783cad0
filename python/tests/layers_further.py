"""More layers in NumPy: batch renorm, masks, thresholds, a y of another type, a double backward."""
import numpy as np


def column(v):
    return v[:, None]


def batch_renorm(x, gamma, beta, running_mean, running_sigma, training, momentum, eps, r_max, d_max):
    if not training:
        return column(gamma) * ((x - column(running_mean)) / column(running_sigma)) + column(beta)
    mean = x.mean((0, 2))
    sigma = np.sqrt(((x - column(mean)) ** 2).mean((0, 2)) + eps)
    r = np.clip(sigma / running_sigma, 1 / r_max, r_max)
    d = np.clip((mean - running_mean) / running_sigma, -d_max, d_max)
    running_mean += momentum * (mean - running_mean)
    running_sigma += momentum * (sigma - running_sigma)
    return column(gamma) * ((x - column(mean)) / column(sigma) * column(r) + column(d)) + column(beta)


def batch_renorm_backward(dy, x, gamma, running_mean, running_sigma, training, eps, r_max, d_max):
    if not training:
        x_hat = (x - column(running_mean)) / column(running_sigma)
        return column(gamma / running_sigma) * dy, (dy * x_hat).sum((0, 2)), dy.sum((0, 2))
    mean = x.mean((0, 2))
    sigma = np.sqrt(((x - column(mean)) ** 2).mean((0, 2)) + eps)
    r = np.clip(sigma / running_sigma, 1 / r_max, r_max)
    d = np.clip((mean - running_mean) / running_sigma, -d_max, d_max)
    x_hat, g = (x - column(mean)) / column(sigma), column(gamma * r) * dy
    dx = (g - column(g.mean((0, 2))) - x_hat * column((g * x_hat).mean((0, 2)))) / column(sigma)
    return dx, (dy * (x_hat * column(r) + column(d))).sum((0, 2)), dy.sum((0, 2))


def unlimited_d(x, gamma, beta, running_mean, running_sigma, training, momentum, eps, r_max, d_max):
    return batch_renorm(x, gamma, beta, running_mean, running_sigma, training, momentum, eps, r_max, np.float32(1e9))


def masked_instance_norm(x, gamma, beta, eps, mask):
    left_in = mask[:, None, :]
    m = np.maximum(left_in.sum(-1, keepdims=True, dtype=x.dtype), 1)
    kept = np.where(left_in, x, 0)
    mean = kept.sum(-1, keepdims=True) / m
    centred = np.where(left_in, x - mean, 0)
    rstd = 1 / np.sqrt((centred * centred).sum(-1, keepdims=True) / m + eps)
    return np.where(left_in, column(gamma) * (centred * rstd) + column(beta), 0).astype(x.dtype)


def masked_instance_norm_backward(dy, x, gamma, eps, mask):
    left_in = mask[:, None, :]
    m = np.maximum(left_in.sum(-1, keepdims=True, dtype=x.dtype), 1)
    mean = np.where(left_in, x, 0).sum(-1, keepdims=True) / m
    centred = np.where(left_in, x - mean, 0)
    rstd = 1 / np.sqrt((centred * centred).sum(-1, keepdims=True) / m + eps)
    x_hat, dy = centred * rstd, np.where(left_in, dy, 0)
    g = column(gamma) * dy
    dx = rstd * (g - g.sum(-1, keepdims=True) / m - x_hat * ((g * x_hat).sum(-1, keepdims=True) / m))
    return np.where(left_in, dx, 0).astype(x.dtype), (dy * x_hat).sum((0, 2)), dy.sum((0, 2))


def mask_multiplies(x, gamma, beta, eps, mask):   # 0 times NaN is NaN
    left_in = mask[:, None, :].astype(x.dtype)
    m = np.maximum(left_in.sum(-1, keepdims=True), 1)
    mean = (x * left_in).sum(-1, keepdims=True) / m
    centred = (x - mean) * left_in
    return (column(gamma) * (centred / np.sqrt((centred * centred).sum(-1, keepdims=True) / m + eps)) + column(beta)) * left_in


def _standardized(x, eps):
    mean = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps)
    return (x - mean) * rstd, rstd


def thresholded(x, gamma, beta, eps, tau):
    return np.maximum(gamma * _standardized(x, eps)[0] + beta, tau)


def thresholded_backward(dy, x, gamma, beta, eps, tau):
    x_hat, rstd = _standardized(x, eps)
    dz = np.where(gamma * x_hat + beta >= tau, dy, 0)
    g = gamma * dz
    dx = rstd * (g - g.mean(-1, keepdims=True) - x_hat * (g * x_hat).mean(-1, keepdims=True))
    return dx, (dz * x_hat).sum(0), dz.sum(0), (dy - dz).sum(0)


def no_dtau(dy, x, gamma, beta, eps, tau):
    return thresholded_backward(dy, x, gamma, beta, eps, tau)[:3] + (np.zeros_like(tau),)


def wide_output(x, weight, eps):   # y of f32 beside f16
    wide = x.astype(np.float32)
    return wide / np.sqrt((wide * wide).mean(-1, keepdims=True) + np.float32(eps)) * weight


def _e4m3_codes():
    codes = np.arange(0x7f)   # up to 448; 0x7f is NaN
    exponent, fraction = codes >> 3, codes & 7
    return np.where(exponent == 0, fraction * 2.0 ** -9, (1 + fraction / 8) * 2.0 ** (exponent - 7.0))


_E4M3 = _e4m3_codes()


def to_e4m3(v):
    """Bits, to nearest even; what is too large is the largest number."""
    size = np.abs(v).astype(np.float64)
    above = np.clip(np.searchsorted(_E4M3, size), 1, len(_E4M3) - 1)
    low, high = size - _E4M3[above - 1], _E4M3[above] - size
    code = np.where((low < high) | ((low == high) & (above % 2 == 1)), above - 1, above)
    code = np.where(np.isnan(v), 0x7f, code)
    return (code + np.where(np.signbit(v), 0x80, 0)).astype(np.uint8)


def quantized(x, weight, eps, scale):
    y = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight
    return to_e4m3(y.astype(np.float32) / np.float32(scale))


def quantized_by_row(x, weight, eps):
    y = (x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight).astype(np.float32)
    amax = np.where(np.isfinite(y), np.abs(y), 0).max(-1, keepdims=True)
    scale = np.maximum(amax / np.float32(448), np.float32(1 / (448 * 512)))
    return to_e4m3(y / scale), scale


def scale_of_half(x, weight, eps):
    y = (x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight).astype(np.float32)
    half = y[:, : max(1, y.shape[1] // 2)]
    amax = np.where(np.isfinite(half), np.abs(half), 0).max(-1, keepdims=True)
    scale = np.maximum(amax / np.float32(448), np.float32(1 / (448 * 512)))
    return to_e4m3(y / scale), scale


def double_backward(v, u, w, dy, x, gamma, eps):
    """Of layer norm."""
    x_hat, rstd = _standardized(x, eps)

    def mean(a):
        return a.mean(-1, keepdims=True)

    def projected(a):
        return a - mean(a) - x_hat * mean(a * x_hat)
    g = gamma * dy
    h = u * dy - rstd * (g * mean(v * x_hat) + v * mean(g * x_hat))
    ddx = rstd * projected(h) - rstd * rstd * x_hat * mean(g * projected(v))
    return ddx, gamma * rstd * projected(v) + u * x_hat + w, (rstd * dy * projected(v)).sum(0)


def u_forgotten(v, u, w, dy, x, gamma, eps):
    ddx, ddy, ddgamma = double_backward(v, 0 * u, w, dy, x, gamma, eps)
    return ddx, ddy, ddgamma


def wide_sum(x, residual, weight, eps):
    """Statistics of the sum before it is rounded to f16; rstd is kept for backward."""
    wide = x.astype(np.float32) + residual.astype(np.float32)
    rstd = 1 / np.sqrt((wide * wide).mean(-1, keepdims=True) + np.float32(eps))
    return (wide * rstd * weight).astype(x.dtype), wide.astype(residual.dtype), rstd


def wide_sum_backward(dy, ds, s, weight, cache):
    rstd, dy = cache, dy.astype(np.float32)
    x_hat = s.astype(np.float32) * rstd
    g = dy * weight
    d = ds.astype(np.float32) + rstd * (g - x_hat * (g * x_hat).mean(-1, keepdims=True))
    return {"dx": d.astype(np.float16), "dgamma": (dy * x_hat).sum(0), "d_residual": d.astype(s.dtype)}


def strides_ignored(x, gamma, beta, eps):
    """Reads its input as if rows touched, as a kernel does that is given a pointer."""
    n, c = x.shape
    start = np.lib.stride_tricks.as_strided(x, (n, c), (min(x.strides[0], c * x.itemsize), x.itemsize))
    x_hat, _ = _standardized(start, eps)
    return gamma * x_hat + beta
