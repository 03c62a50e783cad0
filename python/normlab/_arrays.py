"""Arrays of a framework from NumPy's, and back, and its autograd. What NumPy has no type for is the bits of it on normlab's side."""
from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

_NUMPY = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bool": np.bool_}
_BITS = {"bf16": np.uint16, "e4m3": np.uint8, "e5m2": np.uint8}
_EIGHT_BITS = {"e4m3": "float8_e4m3fn", "e5m2": "float8_e5m2"}   # in PyTorch, and in ml_dtypes


def memory_type(dtype: str) -> Any:
    """The type of NumPy in which arrays cross between normlab and a framework."""
    return _BITS.get(dtype) or _NUMPY[dtype]


class Wrong(Exception):
    """What a function gave is not what was needed; the text is a sentence for its author."""


class Framework(Protocol):
    name: str
    differentiates: bool

    def require(self, dtype: str) -> None:
        """Raises TypeError where it has no arrays of the type."""

    def calling(self, dtype: str) -> AbstractContextManager[Any]:
        """What a call on data of the type stands in."""

    def give(self, array: np.ndarray, dtype: str) -> Any: ...

    def take(self, what: str, value: Any, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """Raises Wrong where it is not of the type and the shape."""

    def gradients(self, name: str, outputs: Callable[[dict[str, Any]], tuple[Any, ...]], leaves: dict[str, Any],
                  cotangents: Sequence[Any]) -> dict[str, Any]:
        """By the leaves, of what outputs (of the function that is called name) makes of them; y comes first."""


class NumPy:
    name = "numpy"
    differentiates = False
    strided = True   # arrays may have strides

    def calling(self, dtype: str) -> AbstractContextManager[Any]:
        return np.errstate(all="ignore")   # infinities and constant samples are asked for, too

    def gradients(self, name: str, outputs: Callable[[dict[str, Any]], tuple[Any, ...]], leaves: dict[str, Any],
                  cotangents: Sequence[Any]) -> dict[str, Any]:
        raise NotImplementedError("NumPy has no autograd")

    def require(self, dtype: str) -> None:
        if dtype == "bf16":
            try:
                import ml_dtypes  # noqa: F401
            except ImportError:
                raise TypeError("NumPy has no bf16; with the package ml_dtypes installed, or for a function of torch, it is accepted") from None

    def _type(self, dtype: str) -> Any:
        if dtype == "bf16":
            import ml_dtypes
            return np.dtype(ml_dtypes.bfloat16)
        return np.dtype(_NUMPY[dtype])

    def give(self, array: np.ndarray, dtype: str) -> Any:
        return array.view(self._type(dtype)) if dtype == "bf16" else array

    def take(self, what: str, value: Any, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        if not isinstance(value, np.ndarray):
            raise Wrong(f"{what} is {article(value)}; a NumPy array is needed")
        if value.shape != shape:
            raise Wrong(f"{what} has shape {value.shape}; {shape} is needed")
        if dtype in _EIGHT_BITS:
            if value.dtype.name not in (_EIGHT_BITS[dtype], "uint8"):
                raise Wrong(f"{what} is of {value.dtype}; {_EIGHT_BITS[dtype]} of the package ml_dtypes is needed, or its bits, uint8")
            return np.ascontiguousarray(value.view(np.uint8))
        wanted = self._type(dtype)
        if value.dtype != wanted:
            raise Wrong(f"{what} is of {value.dtype}; {wanted} is needed, the type that was given")
        bits = value.view(np.uint16) if dtype == "bf16" else value
        return np.ascontiguousarray(bits)


class Torch:
    name = "torch"
    differentiates = True
    strided = True

    def __init__(self, device: str | None = None) -> None:
        try:
            import torch
        except ImportError:
            raise TypeError("framework='torch' needs the package torch, which is not installed") from None
        self.torch = torch
        try:
            self.device = torch.device(device or "cpu")
            torch.empty(0, device=self.device).cpu()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(f"device {device!r}: torch has none here: {str(error).splitlines()[0]}") from None
        self._types = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}

    def require(self, dtype: str) -> None:
        pass

    def calling(self, dtype: str) -> AbstractContextManager[Any]:
        return np.errstate(all="ignore")

    def gradients(self, name: str, outputs: Callable[[dict[str, Any]], tuple[Any, ...]], leaves: dict[str, Any],
                  cotangents: Sequence[Any]) -> dict[str, Any]:
        for leaf in leaves.values():
            leaf.requires_grad_(True)
        results = outputs(leaves)
        for what, result in zip(("y", "s"), results):
            if not isinstance(result, self.torch.Tensor):
                raise Wrong(f"{what} of {name} is no torch.Tensor")
        if results[0].grad_fn is None:
            raise Wrong(f"y of {name} has no gradient by autograd; backward=, a function of its own, is accepted, "
                        "and backward=False for its forward alone")
        weighed = [c if c.dtype == r.dtype else c.to(r.dtype) for r, c in zip(results, cotangents)]   # y of f32 beside 16 bits
        found = self.torch.autograd.grad(results, list(leaves.values()), weighed, allow_unused=True)
        # A leaf that y does not depend on has no gradient: it is 0.
        return {key: self.torch.zeros_like(leaf) if value is None else value for (key, leaf), value in zip(leaves.items(), found)}

    def give(self, array: np.ndarray, dtype: str) -> Any:
        if dtype == "bf16":
            tensor = self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16)
        else:
            tensor = self.torch.from_numpy(array)
        return tensor if self.device.type == "cpu" else tensor.to(self.device)

    def take(self, what: str, value: Any, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        if not isinstance(value, self.torch.Tensor):
            raise Wrong(f"{what} is {article(value)}; a torch.Tensor is needed")
        if tuple(value.shape) != shape:
            raise Wrong(f"{what} has shape {tuple(value.shape)}; {shape} is needed")
        eight_bits = getattr(self.torch, _EIGHT_BITS.get(dtype, ""), self.torch.uint8)
        if dtype in _EIGHT_BITS:
            if value.dtype not in (eight_bits, self.torch.uint8):
                raise Wrong(f"{what} is of {value.dtype}; {eight_bits} is needed, or its bits, torch.uint8")
        elif value.dtype != self._types[dtype]:
            raise Wrong(f"{what} is of {value.dtype}; {self._types[dtype]} is needed, the type that was given")
        if value.device.type != self.device.type:
            raise Wrong(f"{what} is on the device {value.device}; {self.device}, where its arguments were, is needed")
        value = value.detach().contiguous().cpu()
        if dtype == "bf16":
            return value.view(self.torch.int16).numpy().view(np.uint16)
        if dtype in _EIGHT_BITS:
            return value.view(self.torch.uint8).numpy()
        return value.numpy()


def article(value: Any) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else f"{'an' if name[0] in 'aeiouAEIOU' or name == 'ndarray' else 'a'} {name}"


_FRAMEWORKS = ("numpy", "torch", "jax")
_PACKAGES = {"numpy": "numpy", "torch": "torch", "jax": "jax", "jaxlib": "jax", "flax": "jax"}


def framework_of(function: Any, name: str | None, device: str | None) -> Framework:
    """The one asked for; or that which the function is of, or names in its code, or whose import stands beside it where it names none."""
    if name is None:
        name = _framework_named(function) or "numpy"
    if name not in _FRAMEWORKS:
        raise ValueError(f"framework {name!r} is unknown; 'numpy', 'torch' and 'jax' are accepted")
    if name == "numpy" and device not in (None, "cpu"):
        raise ValueError(f"device {device!r} is none of NumPy's; framework='torch' is accepted with it, and 'jax'")
    if name == "jax":
        from normlab._jax import Jax
        return Jax(device)
    return Torch(device) if name == "torch" else NumPy()


def framework_of_value(value: Any) -> str | None:
    """Of a module, or of what says where it was defined."""
    of = value.__name__ if isinstance(value, type(sys)) else getattr(value, "__module__", None)
    return _PACKAGES.get(of.split(".")[0]) if isinstance(of, str) else None


def _framework_named(function: Any, depth: int = 3) -> str | None:
    for value in (function, *type(function).__mro__):
        if found := framework_of_value(value):
            return found
    function = getattr(function, "__func__", function)
    code, names = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    if code is None:
        return None
    named = [names[n] for n in code.co_names if n in names]
    for cell in getattr(function, "__closure__", None) or ():
        try:
            named.append(cell.cell_contents)
        except ValueError:   # nothing is in it yet
            pass
    for value in named:
        if found := framework_of_value(value):
            return found
    for value in named:
        if depth > 0 and (found := _framework_named(value, depth - 1)):
            return found
    imported = {framework_of_value(value) for value in names.values() if isinstance(value, type(sys))}
    return "torch" if "torch" in imported else "jax" if "jax" in imported else None
