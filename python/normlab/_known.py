"""Which variant a module of a library is: a table from its class, and what reads its options."""
from __future__ import annotations

from typing import Any

from normlab._built_in import BuiltIn
from normlab._module import is_module, of_module, of_weight_norm

# The class, where it is defined, and the variant. What is called 2d has its channels in dimension 1, and is given [N, C, S, 1].
_TORCH = {
    "torch.nn.modules.normalization": {"LayerNorm": "layer_norm", "RMSNorm": "rms_norm", "GroupNorm": "group_norm"},
    "torch.nn.modules.batchnorm": dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"), "batch_norm"),
    "torch.nn.modules.instancenorm": dict.fromkeys(("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"), "instance_norm"),
    "timm.layers.norm": {
        "LayerNorm": "layer_norm", "LayerNormFp32": "layer_norm", "RmsNorm": "rms_norm", "RmsNormFp32": "rms_norm", "RmsNorm2d": "rms_norm",
        "RmsNorm2dFp32": "rms_norm", "GroupNorm": "group_norm", "GroupNorm1": "group_norm", "LayerNorm2d": "channel_norm",
        "LayerNorm2dFp32": "channel_norm", "LayerNormExp2d": "channel_norm"},
    "timm.layers.norm_act": {
        "BatchNormAct2d": "batch_norm", "GroupNormAct": "group_norm", "GroupNorm1Act": "group_norm", "LayerNormAct": "layer_norm",
        "LayerNormActFp32": "layer_norm", "LayerNormAct2d": "channel_norm", "LayerNormAct2dFp32": "channel_norm", "RmsNormAct": "rms_norm",
        "RmsNormActFp32": "rms_norm", "RmsNormAct2d": "rms_norm", "RmsNormAct2dFp32": "rms_norm"},
    "torchvision.models.convnext": {"LayerNorm2d": "channel_norm"},
}
_KERAS = ("LayerNormalization", "BatchNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization")
_FLAX = ("LayerNorm", "RMSNorm", "GroupNorm", "BatchNorm", "InstanceNorm")


def known() -> str:
    words = [f"{where.split('.')[0]}'s {', '.join(names)}" for where, names in _TORCH.items()]
    return "; ".join([*words, f"Keras 3's {', '.join(_KERAS)}", f"flax's (linen and nnx) {', '.join(_FLAX)}",
                      "and weight_norm of torch.nn.utils.parametrizations"])


def find(module: Any) -> BuiltIn | None:
    """Of a module that is known, with its variant; None: it is not."""
    kind = type(module)
    of = {base.__module__.split(".")[0] for base in kind.__mro__}
    if "keras" in of:   # before PyTorch's: with that backend a layer is a module, too
        from normlab._keras import of_layer
        return of_layer(module) if kind.__name__ in _KERAS else None
    if "flax" in of:
        from normlab._flax import of_flax
        return of_flax(module) if kind.__name__ in _FLAX else None
    if not is_module(module):
        return None
    if any(type(p).__name__ == "_WeightNorm" for p in getattr(getattr(module, "parametrizations", None), "weight", ())):
        return of_weight_norm(module)
    for base in kind.__mro__:
        variant = _TORCH.get(base.__module__, {}).get(base.__name__)
        if variant is None:
            continue
        if kind.forward is not base.forward:
            raise TypeError(f"{kind.__name__} is a {base.__name__} with a forward of its own, so that its variant is not known; "
                            f'check(module, "{variant}") is accepted, of the variant that it is')
        return of_module(module, variant, _own_options(module, base.__name__))
    return None


def _own_options(module: Any, name: str) -> dict[str, Any]:
    if name == "RMSNorm" and module.eps is None:
        return {"convention": "pytorch"}   # the number type's own
    return {}


def in_place_of(function: Any, variant: str) -> BuiltIn | None:
    """What check(function, variant) calls in its place, where it is a module, a layer, or an object with parameters."""
    packages = {base.__module__.split(".")[0] for base in type(function).__mro__}
    if packages & {"keras", "flax"}:
        if found := find(function):
            return found
        raise TypeError(f"{type(function).__name__} is not known; {known()} are, and an adapter is accepted: "
                        "lambda x, gamma, beta, eps: ...")
    if is_module(function):
        try:
            found = find(function)
        except TypeError:   # it is not as the known one is, and may be another
            found = None
        return found if found is not None and found.variant == variant else of_module(function, variant)
    from normlab._object import of_object
    return of_object(function)
