"""A torch.nn.Module as a function: its parameters and running statistics are those that normlab gives."""
from __future__ import annotations

import sys
from typing import Any

from normlab._signature import Signature


def is_module(function: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(function, torch.nn.Module)


class ModuleFunction:
    """Its number of channels, eps, momentum and groups are built in: they are read from the attributes that PyTorch's own have."""

    def __init__(self, module: Any) -> None:
        import torch
        self._module, self.__name__ = module, type(module).__name__
        self._call = torch.func.functional_call if hasattr(torch, "func") else torch.nn.utils.stateless.functional_call
        parameters = {name for name, _ in module.named_parameters()}
        others = parameters - {"weight", "bias"}
        if others:
            raise TypeError(f"{self.__name__} has the parameter {sorted(others)[0]}; a module with weight and bias is accepted, "
                            "and an adapter: lambda x, gamma, beta, eps: ...")
        shape = next((getattr(module, n) for n in ("num_features", "num_channels", "normalized_shape") if hasattr(module, n)), None)
        if shape is None and "weight" in parameters:
            shape = tuple(module.weight.shape)
        if shape is None:
            raise TypeError(f"{self.__name__} does not say how many channels it has (num_features, num_channels, normalized_shape or weight)")
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if len(shape) != 1:
            raise TypeError(f"{self.__name__} normalizes over {len(shape)} dimensions; one is accepted, normalized_shape=({shape[-1]},)")
        self.channels: int = shape[0]
        self.groups: int | None = getattr(module, "num_groups", None)
        self.options: dict[str, Any] = {"eps": getattr(module, "eps", None)}
        buffers = {name for name, _ in module.named_buffers()}
        arguments = ["x"] + (["gamma"] if "weight" in parameters else []) + (["beta"] if "bias" in parameters else [])
        if "running_mean" in buffers:
            if module.momentum is None:
                raise TypeError(f"{self.__name__} has momentum=None; a number is accepted")
            self.options["momentum"] = module.momentum
            arguments += ["running_mean", "running_var", "training"]
        self._dims = next((n for n in (2, 3) if self.__name__.endswith(f"{n}d")), 1)
        self.signature = Signature(_ARGUMENTS[tuple(arguments)], False)
        self.signature.name = self.__name__

    def __call__(self, x: Any, gamma: Any = None, beta: Any = None, running_mean: Any = None, running_var: Any = None,
                 training: bool = True) -> Any:
        import torch
        values = {"weight": gamma, "bias": beta, "running_mean": running_mean, "running_var": running_var}
        values = {name: value for name, value in values.items() if value is not None}
        if running_mean is not None:
            values["num_batches_tracked"] = torch.tensor(0)
        was = self._module.training
        self._module.train(training)
        shape = x.shape
        if self._dims > 1:
            x = x.reshape(*shape, *[1] * (self._dims - 1))
        try:
            return self._call(self._module, values, (x,)).reshape(shape)
        finally:
            self._module.train(was)


def _plain(x): ...
def _gamma(x, gamma): ...
def _both(x, gamma, beta): ...
def _state(x, running_mean, running_var, training): ...
def _state_both(x, gamma, beta, running_mean, running_var, training): ...


_ARGUMENTS = {("x",): _plain, ("x", "gamma"): _gamma, ("x", "gamma", "beta"): _both,
              ("x", "running_mean", "running_var", "training"): _state,
              ("x", "gamma", "beta", "running_mean", "running_var", "training"): _state_both}
