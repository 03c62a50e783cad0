"""Calls of the function under test: arrays in its framework, its results looked at, its exceptions as text."""
from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from normlab._arrays import Framework, Wrong
from normlab._signature import Signature

_HERE = __file__.rsplit("/", 1)[0]
# What is of the type of gamma; everything else that is an array is of the data's.
_PARAMETERS = ("gamma", "beta")
_STATE = ("running_mean", "running_var")
_GRADIENTS = {"x": "dx", "gamma": "dgamma", "beta": "dbeta", "residual": "d_residual"}


class Judged:
    """A function, or a forward and its backward, that normlab._core calls."""

    def __init__(self, function: Callable[..., Any], signature: Signature, framework: Framework,
                 backward: Callable[..., Any] | None, backward_signature: Signature | None, adds: bool) -> None:
        self.function, self.signature, self.framework = function, signature, framework
        self.backward, self.backward_signature = backward, backward_signature
        self.adds = adds   # a residual: y and s are given back
        self.tracebacks: list[str] = []
        self._seen: set[type] = set()

    @property
    def has_gradients(self) -> bool:
        return self.backward is not None or self.framework.differentiates

    def __call__(self, what: str, given: dict[str, Any]) -> dict[str, Any] | str:
        arrays = {name: np.ndarray(value[2], value[1], value[0]) if type(value) is tuple and type(value[0]) is bytearray else value
                  for name, value in given.items()}
        try:
            with self.framework.calling(arrays["dtype"]):
                return self._forward(arrays) if what == "forward" else self._backward(arrays)
        except Wrong as wrong:
            return str(wrong)
        except NotImplementedError as declined:
            return {"declined": str(declined) or "NotImplementedError"}
        except Exception as error:   # KeyboardInterrupt and SystemExit are none, and end the check
            # as torch's batch norm does, and its group norm
            if isinstance(error, ValueError) and (arrays["eps"] == 0 or arrays["block"] == 1):
                return {"declined": f"{'eps = 0' if arrays['eps'] == 0 else 'one value a block'}: {error}"}
            if type(error) not in self._seen:
                self._seen.add(type(error))
                self.tracebacks.append(_traceback(error))
            return _told(error) + self._about_its_device(error)

    def _about_its_device(self, error: Exception) -> str:
        """A kernel of a device that was called with tensors of the CPU says so in many ways."""
        text = str(error).lower()
        on_cpu = str(getattr(self.framework, "device", "")) == "cpu"
        return "; its tensors were on the CPU, device='cuda' is accepted" if on_cpu and ("cuda" in text or "cpu tensor" in text) else ""

    # What the function is given, by normlab's names.
    def _given(self, arrays: dict[str, Any]) -> dict[str, Any]:
        given = dict(arrays)
        dtype, params = arrays["dtype"], arrays["param_dtype"]
        state = "f64" if dtype == "f64" else "f32"
        for name, value in arrays.items():
            if isinstance(value, np.ndarray):
                of = params if name in _PARAMETERS else state if name in _STATE else dtype
                given[name] = self.framework.give(value, of)
        return given

    def _called(self, given: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        """y, and what else was returned."""
        result = self.signature.call(self.function, given)
        return (result[0], tuple(result[1:])) if isinstance(result, tuple) and result else (result, ())

    def _forward(self, arrays: dict[str, Any]) -> dict[str, Any]:
        given = self._given(arrays)
        y, others = self._called(given)
        shape, dtype = arrays["x"].shape, arrays["dtype"]
        results = {"y": self.framework.take(f"y of {self.signature.name}", y, dtype, shape)}
        if self.adds:
            if not others:
                raise Wrong(f"{self.signature.name} gave back y alone; (y, s) is needed, where s = x + residual")
            results["s"] = self.framework.take(f"s of {self.signature.name}", others[0], dtype, shape)
            others = others[1:]
        if "running_mean" in arrays:   # moved where they lie, or given back
            moved = others[:2] if len(others) >= 2 else [given[name] for name in _STATE]
            for name, value in zip(_STATE, moved):
                results[name] = self.framework.take(f"{name} of {self.signature.name}", value,
                                                    "f64" if dtype == "f64" else "f32", arrays[name].shape)
        elif others and not (self.backward_signature and self.backward_signature.takes("cache")):
            raise Wrong(f"{self.signature.name} gave back a tuple of {1 + len(others)}; y alone is needed")
        return results

    def _backward(self, arrays: dict[str, Any]) -> dict[str, Any]:
        gradients = self._by_backward(arrays) if self.backward else self._by_autograd(arrays)
        results: dict[str, Any] = {}
        for of, name in _GRADIENTS.items():
            if name in gradients and isinstance(arrays.get(of), np.ndarray):
                whose = self.backward_signature.name if self.backward_signature else self.signature.name
                results[name] = self.framework.take(f"{name} of {whose}", gradients[name],
                                                    arrays["param_dtype"] if of in _PARAMETERS else arrays["dtype"],
                                                    arrays[of].shape)
        return results

    def _by_backward(self, arrays: dict[str, Any]) -> dict[str, Any]:
        assert self.backward is not None and self.backward_signature is not None
        given = self._given(arrays)
        signature = self.backward_signature
        if signature.takes("cache") or signature.takes("y"):   # what forward left: it is called once more
            given["y"], others = self._called(self._given(arrays))
            others = others[1:] if self.adds else others
            if signature.takes("cache") and not others:
                raise Wrong(f"{self.signature.name} gave back y alone; {signature.name} takes what forward saved, so (y, saved) is needed")
            given["cache"] = others[0] if len(others) == 1 else others
        result = signature.call(self.backward, given)
        wanted = ["dx"] + [_GRADIENTS[p] for p in _PARAMETERS if self.signature.takes(p) and arrays.get(p) is not None]
        if isinstance(result, dict):
            gradients = dict(result)
        else:
            values = result if isinstance(result, tuple) else (result,)
            if len(values) < len(wanted):
                raise Wrong(f"{signature.name} gave back {len(values)} of {len(wanted)} gradients; ({', '.join(wanted)}) is needed")
            gradients = dict(zip(wanted, values))
        for name in wanted:
            if name not in gradients:
                raise Wrong(f"{signature.name} gave back no {name}; {', '.join(wanted)} are needed")
        if self.adds:
            gradients.setdefault("d_residual", gradients["dx"])
        return gradients

    def _by_autograd(self, arrays: dict[str, Any]) -> dict[str, Any]:
        given = self._given(arrays)
        leaves = [name for name in _GRADIENTS if isinstance(arrays.get(name), np.ndarray) and self.signature.takes(name)]

        def outputs(values: dict[str, Any]) -> tuple[Any, ...]:
            y, others = self._called({**given, **values})
            return (y, others[0]) if self.adds else (y,)
        found = self.framework.gradients(self.signature.name, outputs, {name: given[name] for name in leaves},
                                         [given["dy"], given["ds"]] if self.adds else [given["dy"]])
        return {_GRADIENTS[name]: value for name, value in found.items()}


def _traceback(error: Exception) -> str:
    """As Python prints it, without normlab's own frames before the caller's."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None and at.tb_frame.f_code.co_filename.startswith(_HERE):
        at = at.tb_next
    return "".join(traceback.format_exception(type(error), error, at))


def _told(error: Exception) -> str:
    """An exception in one line, with the last place in the caller's code."""
    text = f"{type(error).__name__}: {error}".replace("\n", " ")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_HERE)]
    if frames:
        at = frames[-1]
        text += f" ({at.filename.rsplit('/', 1)[-1]}:{at.lineno}, in {at.name}: {at.line})"
    return text
