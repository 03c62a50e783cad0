"""An object with parameters and running statistics as attributes, a layer class of NumPy say, as a function of them."""
from __future__ import annotations

import copy
import inspect
from typing import Any

from normlab._arrays import framework_of_value
from normlab._built_in import BuiltIn
from normlab._signature import NAMES

_ARRAYS = ("gamma", "beta", "running_mean", "running_var")
_GRADIENTS = {"gamma": ("dgamma", "d_gamma", "dweight", "grad_gamma", "grad_weight", "gamma_grad", "weight_grad", "dg"),
              "beta": ("dbeta", "d_beta", "dbias", "grad_beta", "grad_bias", "beta_grad", "bias_grad", "db")}


def of_object(layer: Any) -> BuiltIn | None:
    """None: it has no such attributes, and is a function."""
    if isinstance(layer, type) or inspect.isroutine(layer) or not hasattr(layer, "__dict__"):
        return None
    forward = layer.forward if callable(getattr(layer, "forward", None)) else layer if callable(layer) else None
    if forward is None:
        return None
    try:
        parameters = inspect.signature(forward).parameters
    except (TypeError, ValueError):
        return None
    attributes: dict[str, str] = {}
    for role in _ARRAYS:
        named = next((n for n in NAMES[role] if _is_array(getattr(layer, n, None))), None)
        if named is not None and not any(n in parameters for n in NAMES[role]):
            attributes[role] = named
    if not attributes:
        return None
    name, keeps = type(layer).__name__, "running_mean" in attributes
    if keeps != ("running_var" in attributes):
        raise TypeError(f"{name} has one of running_mean and running_var; an object with both is accepted, or with neither")
    said = next((n for n in NAMES["training"] if n in parameters), None)
    flag = next((n for n in NAMES["training"] if isinstance(getattr(layer, n, None), bool)), None)
    switched = callable(getattr(layer, "train", None)) and callable(getattr(layer, "eval", None))
    if keeps and not (said or flag or switched):
        raise TypeError(f"{name} has running statistics and nothing that says whether they move or are used; an argument training "
                        "of forward is accepted, an attribute training, and methods train() and eval()")
    x = next(iter(parameters), None)
    unknown = [p.name for p in parameters.values()
               if p.default is p.empty and p.name not in (x, said) and p.kind is p.POSITIONAL_OR_KEYWORD]
    if unknown:
        raise TypeError(f"{name}.{getattr(forward, '__name__', '__call__')} has the argument {unknown[0]}; "
                        "x and training are accepted beside attributes")
    first = getattr(layer, next(iter(attributes.values())))
    built_in: dict[str, Any] = {}
    for role in ("eps", "momentum"):
        value = next((getattr(layer, n) for n in NAMES[role] if isinstance(getattr(layer, n, None), (int, float))), None)
        if value is not None and (role == "eps" or keeps):
            built_in[role] = float(value)
    groups = next((getattr(layer, n) for n in NAMES["groups"] if isinstance(getattr(layer, n, None), int)), None)
    last: list[Any] = []

    def call(x: Any, training: bool = True, **given: Any) -> Any:
        used = copy.copy(layer)   # what it keeps, the caller's layer does not see
        for role, attribute in attributes.items():
            setattr(used, attribute, given[role])
        if flag:
            setattr(used, flag, training)
        elif switched:
            (used.train if training else used.eval)()
        last[:] = [used]
        run = used.forward if callable(getattr(used, "forward", None)) else used
        y = run(x, **{said: training}) if said else run(x)
        return (y, *(getattr(used, attributes[r]) for r in ("running_mean", "running_var"))) if keeps else y

    def backward(dy: Any, y: Any) -> dict[str, Any]:
        used = last[0]
        result = used.backward(dy)
        values = result if isinstance(result, tuple) else (result,)
        found = dict(zip(["dx", *(f"d{r}" for r in ("gamma", "beta") if r in attributes)], values))
        for role, names in _GRADIENTS.items():
            named = next((n for n in names if hasattr(used, n)), None)
            if role in attributes and f"d{role}" not in found and named:
                found[f"d{role}"] = getattr(used, named)
        return found

    roles = ["x", *attributes] + (["training"] if keeps or said else [])
    return BuiltIn(name, call, roles, framework=framework_of_value(type(first)), channels=int(first.shape[-1]), groups=groups,
                   options=built_in, backward=backward if callable(getattr(layer, "backward", None)) else None)


def _is_array(value: Any) -> bool:
    return value is not None and framework_of_value(type(value)) is not None and len(getattr(value, "shape", ())) >= 1
