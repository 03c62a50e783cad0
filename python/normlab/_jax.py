"""Arrays of JAX: given, taken back, and their gradients by jax.vjp."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from normlab._arrays import Wrong, article


class Jax:
    name = "jax"
    differentiates = True

    def __init__(self, device: str | None = None) -> None:
        try:
            import jax
        except ImportError:
            raise TypeError("framework='jax' needs the package jax, which is not installed") from None
        self.jax = jax
        try:
            self.device = jax.devices(device)[0]   # None: JAX's default
        except RuntimeError:
            raise ValueError(f"device {device!r} is none that JAX has here; 'cpu' is accepted") from None
        self._types = {"f64": np.dtype(np.float64), "f32": np.dtype(np.float32), "f16": np.dtype(np.float16),
                       "bf16": np.dtype(jax.numpy.bfloat16)}
        if hasattr(jax, "enable_x64"):
            self._with_x64 = jax.enable_x64
        else:   # until 0.8
            from jax.experimental import enable_x64
            self._with_x64 = enable_x64

    def require(self, dtype: str) -> None:
        pass

    def calling(self, dtype: str) -> AbstractContextManager[Any]:
        """float64 is there for data of f64 alone: others are judged as JAX computes without it."""
        return self._with_x64(dtype == "f64")

    def give(self, array: np.ndarray, dtype: str) -> Any:
        return self.jax.device_put(array.view(self._types["bf16"]) if dtype == "bf16" else array, self.device)

    def take(self, what: str, value: Any, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        self._require_array(what, value, dtype)
        if value.shape != shape:
            raise Wrong(f"{what} has shape {value.shape}; {shape} is needed")
        on = value.devices()
        if on != {self.device}:
            raise Wrong(f"{what} is on {', '.join(sorted(map(str, on)))}; {self.device}, where its arguments were, is needed")
        array = np.ascontiguousarray(np.asarray(value))
        return array.view(np.uint16) if dtype == "bf16" else array

    def gradients(self, name: str, outputs: Callable[[dict[str, Any]], tuple[Any, ...]], leaves: dict[str, Any],
                  cotangents: Sequence[Any]) -> dict[str, Any]:
        def checked(values: dict[str, Any]) -> tuple[Any, ...]:
            results = outputs(values)
            for what, result, wanted in zip(("y", "s"), results, cotangents):
                self._require_array(f"{what} of {name}", result, next(d for d, t in self._types.items() if t == wanted.dtype))
                if result.shape != wanted.shape:
                    raise Wrong(f"{what} of {name} has shape {result.shape}; {wanted.shape} is needed")
            return results
        _, pull = self.jax.vjp(checked, leaves)
        (found,) = pull(tuple(cotangents))
        return found

    def _require_array(self, what: str, value: Any, dtype: str) -> None:
        if not isinstance(value, self.jax.Array):
            raise Wrong(f"{what} is {article(value)}; a jax.Array is needed")
        if value.dtype != self._types[dtype]:
            raise Wrong(f"{what} is of {value.dtype}; {self._types[dtype]} is needed, the type that was given")
