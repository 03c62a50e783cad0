"""Layers in NumPy, right ones and wrong ones, for the tests."""
import numpy as np


def layer_norm(x, gamma, beta, eps):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return gamma * ((x - mean) / np.sqrt(var + eps)) + beta


def layer_norm_backward(dy, x, gamma, eps):
    mean = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps)
    x_hat, g = (x - mean) * rstd, gamma * dy
    dx = rstd * (g - g.mean(-1, keepdims=True) - x_hat * (g * x_hat).mean(-1, keepdims=True))
    return dx, (dy * x_hat).sum(0), dy.sum(0)


def eps_outside(x, gamma, beta, eps):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return gamma * ((x - mean) / (np.sqrt(var) + eps)) + beta


def one_pass(x, gamma, beta, eps):
    mean = x.mean(-1, keepdims=True)
    var = (x * x).mean(-1, keepdims=True) - mean * mean
    return gamma * ((x - mean) / np.sqrt(np.maximum(var, 0) + eps)) + beta


def no_mean_in_dx(dy, x, gamma, eps):
    dx, dgamma, dbeta = layer_norm_backward(dy, x, gamma, eps)
    mean = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps)
    return dx + rstd * (gamma * dy).mean(-1, keepdims=True), dgamma, dbeta


def with_cache(x, gamma, beta, eps):
    mean = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps)
    x_hat = (x - mean) * rstd
    return gamma * x_hat + beta, (x_hat, rstd, gamma)


def of_cache(dy, cache):
    x_hat, rstd, gamma = cache
    g = gamma * dy
    dx = rstd * (g - g.mean(-1, keepdims=True) - x_hat * (g * x_hat).mean(-1, keepdims=True))
    return {"dx": dx, "dgamma": (dy * x_hat).sum(0), "dbeta": dy.sum(0)}


def rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def gemma_rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * (1 + weight)


def silu_layer_norm(x, gamma, beta, eps):
    z = layer_norm(x, gamma, beta, eps)
    return (z / (1 + np.exp(-z))).astype(x.dtype)


def add_rms_norm(x, residual, weight, eps):
    s = x + residual
    return rms_norm(s, weight, eps), s


def group_norm(x, num_groups, gamma, beta, eps):
    n, c, s = x.shape
    g = x.reshape(n, num_groups, -1)
    mean = g.mean(-1, keepdims=True)
    x_hat = ((g - mean) / np.sqrt(((g - mean) ** 2).mean(-1, keepdims=True) + eps)).reshape(x.shape)
    return gamma[:, None] * x_hat + beta[:, None]


def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    if training:
        m = x.shape[0] * x.shape[2]
        mean, var = x.mean((0, 2)), x.var((0, 2))
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (var * (m / (m - 1)) - running_var)
    else:
        mean, var = running_mean, running_var
    return gamma[:, None] * ((x - mean[:, None]) / np.sqrt(var[:, None] + eps)) + beta[:, None]


def channels_last_instance_norm(x, gamma, beta, eps):
    mean = x.mean(1, keepdims=True)
    return gamma * ((x - mean) / np.sqrt(((x - mean) ** 2).mean(1, keepdims=True) + eps)) + beta
