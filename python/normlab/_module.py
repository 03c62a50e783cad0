"""A torch.nn.Module as a function: its parameters and running statistics are those that normlab gives."""
from __future__ import annotations

import math
import sys
from typing import Any

from normlab._built_in import BuiltIn

_ACTIVATIONS = {"Identity": None, "ReLU": "relu", "SiLU": "silu", "Swish": "silu", "GELUTanh": "gelu_tanh"}
_TYPES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16"}


def is_module(function: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(function, torch.nn.Module)


def of_module(module: Any, variant: str | None = None, options: dict[str, Any] | None = None) -> BuiltIn:
    """Its number of channels, eps, momentum and groups are read from the attributes that PyTorch's own modules have."""
    import torch
    name = type(module).__name__
    functional_call = torch.func.functional_call if hasattr(torch, "func") else torch.nn.utils.stateless.functional_call
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    others = set(parameters) - {"weight", "bias"}
    if others:
        raise TypeError(f"{name} has the parameter {sorted(others)[0]}; a module with weight and bias is accepted, "
                        "and an adapter: lambda x, gamma, beta, eps: ...")
    shape = next((getattr(module, n) for n in ("num_features", "num_channels", "normalized_shape") if hasattr(module, n)), None)
    if shape is None and "weight" in parameters:
        shape = tuple(module.weight.shape)
    if shape is None:
        raise TypeError(f"{name} does not say how many channels it has (num_features, num_channels, normalized_shape or weight)")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if len(shape) != 1 and variant not in (None, "layer_norm", "rms_norm"):
        raise TypeError(f"{name} normalizes over {len(shape)} dimensions; one is accepted in {variant}, normalized_shape=({shape[-1]},)")
    roles = ["x"] + (["gamma"] if "weight" in parameters else []) + (["beta"] if "bias" in parameters else [])
    built_in: dict[str, Any] = {"eps": getattr(module, "eps", None)}
    keeps = "running_mean" in buffers
    if keeps:
        built_in["momentum"] = "none" if module.momentum is None else module.momentum
        built_in["running"] = "unbiased"
        roles += ["running_mean", "running_var", "training"] + (["count"] if "num_batches_tracked" in buffers else [])
        if module.running_mean.dtype in (torch.bfloat16, torch.float16):
            raise TypeError(f"{name} has running statistics of {module.running_mean.dtype}; those of torch.float32 are accepted")
    activation = _activation(module, name)
    if activation is not None:
        built_in["activation"] = activation
    weight = next(iter(parameters.values()), None)
    dtypes = None if weight is None else (_TYPES.get(str(weight.dtype).split(".")[-1], "f32"),)
    if dtypes in (("bf16",), ("f16",)):
        built_in["param_dtype"] = dtypes[0]
    dims = next((n for n in (2, 3) if f"{n}d" in name), 1)   # behind the channels

    def call(x: Any, gamma: Any = None, beta: Any = None, running_mean: Any = None, running_var: Any = None,
             training: bool = True, count: int | None = None) -> Any:
        values = {"weight": gamma, "bias": beta, "running_mean": running_mean, "running_var": running_var}
        values = {key: value for key, value in values.items() if value is not None}
        if len(shape) > 1:
            values = {key: value.reshape(shape) for key, value in values.items()}
        if keeps and running_mean is None:   # instance norm in training, where y has nothing of them
            if not training:
                raise NotImplementedError("it evaluates with running statistics")
            values |= {key: buffer.clone().to(x.dtype) for key, buffer in buffers.items() if buffer.is_floating_point()}
        if "num_batches_tracked" in buffers:
            values["num_batches_tracked"] = torch.tensor(count or 0)
        was, given = module.training, x.shape
        if len(shape) > 1:
            x = x.reshape(given[0], *shape)
        elif dims > 1:
            x = x.reshape(*given, *[1] * (2 + dims - x.dim()))
        module.train(training)
        try:
            return functional_call(module, values, (x,)).reshape(given)
        finally:
            module.train(was)

    if name.endswith("Fp32") and dtypes == ("f32",):   # timm's, which go through float32
        default: tuple[str, ...] | None = dtypes
    else:
        default = ("f64", "f32") if dtypes == ("f32",) else dtypes
    return BuiltIn(name, call, roles, variant=variant, framework="torch", channels=math.prod(shape),
                   device=None if weight is None else str(weight.device), groups=getattr(module, "num_groups", None),
                   options=built_in | (options or {}), dtypes=default)


def _activation(module: Any, name: str) -> str | None:
    """What stands behind the norm, as timm's layers have it in act and drop."""
    drop, act = getattr(module, "drop", None), getattr(module, "act", None)
    if drop is not None and type(drop).__name__ != "Identity":
        raise TypeError(f"{name} drops elements ({type(drop).__name__}); a layer without drop_layer is accepted")
    if act is None:
        return None
    kind = type(act).__name__
    if kind == "GELU":
        return "gelu_tanh" if getattr(act, "approximate", "none") == "tanh" else "gelu"
    if kind not in _ACTIVATIONS:
        raise TypeError(f"{name} has the activation {kind}; {', '.join(sorted({*_ACTIVATIONS, 'GELU'}))} are accepted")
    return _ACTIVATIONS[kind]


def of_weight_norm(module: Any) -> BuiltIn:
    """torch.nn.utils.parametrizations.weight_norm: of v and g. The weight of a module has one length an output channel."""
    parametrization = next(p for p in module.parametrizations.weight if type(p).__name__ == "_WeightNorm")
    name = f"weight_norm of {type(module).__name__}"
    if parametrization.dim != 0 or len(module.parametrizations.weight) != 1:
        raise TypeError(f"{name} has dim={parametrization.dim} and {len(module.parametrizations.weight)} parametrizations; "
                        "dim=0 and one are accepted")

    def call(x: Any, gamma: Any) -> Any:
        v, g = x.transpose(0, 1).contiguous(), gamma.transpose(0, 1)   # normlab has channels second
        return parametrization(g, v).transpose(0, 1).contiguous()

    return BuiltIn(name, call, ["x", "gamma"], variant="weight_norm", framework="torch",
                   device=str(next(module.parameters()).device), options={"eps": 0.0}, dtypes=("f64", "f32"))
