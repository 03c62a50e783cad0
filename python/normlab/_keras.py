"""A normalization layer of Keras 3 as a function. What is called is a copy of it, built anew; the backend is torch or jax."""
from __future__ import annotations

import math
from typing import Any

from normlab._built_in import BuiltIn

_TYPES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16"}


def of_layer(layer: Any) -> BuiltIn:
    import keras
    name, backend = type(layer).__name__, keras.backend.backend()
    if backend not in ("torch", "jax"):
        raise TypeError(f"Keras runs with the backend {backend}; KERAS_BACKEND=torch and jax are accepted")
    config = layer.get_config()
    axis = config["axis"]
    axes = [axis] if isinstance(axis, int) else list(axis)
    shape = _built_for(layer, axes)
    groups = config.get("groups")
    if groups is not None:
        channels = shape[0] if shape else 2 * groups
        groups = channels if groups == -1 else groups
    else:
        channels = math.prod(shape) if shape else 12
    shape = shape or (channels,)
    variant, options = _variant(name, config)
    layout = "nchw"
    first = axes in ([1], [-2]) and len(shape) == 1   # channels before positions
    if variant in ("batch_norm", "group_norm") or first:
        if not first and axes != [-1]:
            raise TypeError(f"{name} has axis={axis}; axis=-1 and axis=1 are accepted")
        if first and variant == "layer_norm":
            variant = "channel_norm"
        elif first and variant in ("rms_norm", "l2_norm"):
            raise TypeError(f"{name} has axis={axis}; axis=-1 is accepted")
        layout = "nchw" if first else "nhwc"
    elif axes[-1] != -1 and not (shape and len(axes) == len(shape)):
        raise TypeError(f"{name} has axis={axis}; axis=-1 is accepted, and all axes but the first of a layer that was built")
    rank = 3 if variant in ("batch_norm", "group_norm", "channel_norm") else 1 + len(shape)
    with_positions = (None, channels, None) if layout == "nchw" else (None, None, channels)
    copy = type(layer).from_config(config)
    copy.build((None, *shape) if rank == 1 + len(shape) else with_positions)
    if not copy.trainable and variant == "batch_norm":
        raise TypeError(f"{name} has trainable=False, and so normalizes by its running statistics always; trainable=True is accepted")
    copy.trainable = True
    trained = [weight.name for weight in copy.trainable_variables]
    names = {"gamma": "gamma", "scale": "gamma", "beta": "beta"}
    roles = ["x", *(names[n] for n in trained)]
    keeps = variant == "batch_norm"
    if keeps:
        roles += ["running_mean", "running_var", "training"]
    by_element = rank == 1 + len(shape) and len(shape) > 1

    def call(x: Any, gamma: Any = None, beta: Any = None, running_mean: Any = None, running_var: Any = None,
             training: bool = True) -> Any:
        of = {"gamma": gamma, "beta": beta}
        weights = [of[names[n]].reshape(shape) if by_element else of[names[n]] for n in trained]
        given = x.shape
        arguments = {"training": bool(training)} if keeps else {}
        y, kept = copy.stateless_call(weights, [running_mean, running_var] if keeps else [],
                                      x.reshape(given[0], *shape) if by_element else x, **arguments)
        y = y.reshape(given)
        return (y, *kept) if keeps else y

    dtype, stored = _TYPES[copy.compute_dtype], _TYPES[copy.variable_dtype]
    if stored != ("f64" if dtype == "f64" else "f32"):
        if keeps:
            raise TypeError(f"{name} has running statistics of {copy.variable_dtype}; a policy that keeps them in float32 is accepted, "
                            "mixed_bfloat16")
        options["param_dtype"] = stored
    compiled: Any = call
    if backend == "jax":
        import jax
        compiled = jax.jit(call, static_argnames="training")
    return BuiltIn(name, compiled, roles, variant=variant, framework=backend, channels=channels, groups=groups,
                   options=options, layout=layout, dtypes=[dtype], casts=True)


def _built_for(layer: Any, axes: list[int]) -> tuple[int, ...]:
    if not layer.built:
        return ()
    weights = [w for w in layer.weights if w.name in ("gamma", "scale", "beta", "moving_mean")]
    return tuple(weights[0].shape) if weights else ()


def _variant(name: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    options: dict[str, Any] = {"eps": config.get("epsilon")}
    if config.get("renorm"):
        raise TypeError(f"{name} has renorm=True; batch renorm is not judged this way, renorm=False is accepted")
    if config.get("rms_scaling"):
        raise TypeError(f"{name} has rms_scaling=True, which divides by the root of the variance and leaves the mean; "
                        "rms_scaling=False is accepted")
    if config.get("synchronized"):
        raise TypeError(f"{name} has synchronized=True; synchronized=False is accepted")
    if name == "BatchNormalization":
        return "batch_norm", options | {"convention": "keras", "momentum": config["momentum"], "running": "biased"}
    if name == "UnitNormalization":
        return "l2_norm", {"eps": 1e-12, "denominator": "floor"}
    return {"LayerNormalization": "layer_norm", "GroupNormalization": "group_norm", "RMSNormalization": "rms_norm"}[name], options
