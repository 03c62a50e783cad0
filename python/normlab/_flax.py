"""A normalization module of flax, linen or nnx, as a function. It is compiled by jax.jit, as such modules run."""
from __future__ import annotations

from typing import Any

import numpy as np

from normlab._built_in import BuiltIn

_VARIANTS = {"LayerNorm": "layer_norm", "RMSNorm": "rms_norm", "GroupNorm": "group_norm", "BatchNorm": "batch_norm",
             "InstanceNorm": "instance_norm"}
_TYPES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16"}


def of_flax(module: Any) -> BuiltIn:
    import jax
    name = type(module).__name__
    variant, linen = _VARIANTS[name], type(module).__module__.split(".")[1] == "linen"
    for axes in ("reduction_axes", "feature_axes", "axis"):
        value = getattr(module, axes, -1)
        if value not in (-1, (-1,), [-1]) and not (value is None and name == "GroupNorm"):
            raise TypeError(f"{name} has {axes}={value}; the default is accepted")
    if getattr(module, "axis_name", None) is not None:
        raise TypeError(f"{name} has axis_name={module.axis_name!r}; statistics of one device are accepted")
    channels, groups = getattr(module, "num_features", None), None
    if name == "GroupNorm":
        groups, size = module.num_groups, getattr(module, "group_size", None)
        if groups is None:
            channels, groups = 2 * size, 2
        else:   # linen has as many channels as it is given
            channels = groups * (size or 2)
    roles = ["x"] + (["gamma"] if module.use_scale else []) + (["beta"] if getattr(module, "use_bias", False) else [])
    keeps = name == "BatchNorm"
    if keeps:
        roles += ["running_mean", "running_var", "training"]
    options: dict[str, Any] = {"eps": module.epsilon}
    if keeps:
        options |= {"convention": "flax", "momentum": module.momentum, "running": "biased"}
    call = _linen(module, keeps) if linen else _nnx(module, keeps)
    dtypes = [_TYPES[np.dtype(module.dtype).name]] if module.dtype is not None else ["f32"]
    return BuiltIn(name, jax.jit(call, static_argnames="training"), roles, variant=variant, framework="jax", channels=channels,
                   groups=groups, options=options, dtypes=dtypes, parameters_follow=module.dtype is None, casts=module.dtype is not None,
                   layout="nhwc" if variant in ("batch_norm", "group_norm", "instance_norm") else "nchw")


def _linen(module: Any, keeps: bool) -> Any:
    if keeps:
        module = module.clone(use_running_average=None)   # said at each call

    def call(x: Any, gamma: Any = None, beta: Any = None, running_mean: Any = None, running_var: Any = None, training: bool = True) -> Any:
        parameters = {key: value for key, value in (("scale", gamma), ("bias", beta)) if value is not None}
        if not keeps:
            return module.apply({"params": parameters}, x)
        y, moved = module.apply({"params": parameters, "batch_stats": {"mean": running_mean, "var": running_var}}, x,
                                use_running_average=not training, mutable=["batch_stats"])
        return y, moved["batch_stats"]["mean"], moved["batch_stats"]["var"]
    return call


def _nnx(module: Any, keeps: bool) -> Any:
    from flax import nnx
    graph, state = nnx.split(module)

    def call(x: Any, gamma: Any = None, beta: Any = None, running_mean: Any = None, running_var: Any = None, training: bool = True) -> Any:
        copy = nnx.merge(graph, state)
        if gamma is not None:
            copy.scale = nnx.Param(gamma)
        if beta is not None:
            copy.bias = nnx.Param(beta)
        if not keeps:
            return copy(x)
        copy.mean, copy.var = nnx.BatchStat(running_mean), nnx.BatchStat(running_var)
        y = copy(x, use_running_average=not training)
        return y, copy.mean[...], copy.var[...]
    return call
