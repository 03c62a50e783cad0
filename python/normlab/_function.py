"""Calls of the function under test: arrays in its framework, its results looked at, its exceptions as text."""
from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from normlab._arrays import Framework, Torch, Wrong, memory_type
from normlab._signature import Signature

_HERE = __file__.rsplit("/", 1)[0]
_PARAMETERS = ("gamma", "beta", "tau")
_STATE = ("running_mean", "running_var", "running_sigma")
_GRADIENTS = {"x": "dx", "gamma": "dgamma", "beta": "dbeta", "tau": "dtau", "residual": "d_residual"}
_SECOND = {"x": "ddx", "dy": "ddy", "gamma": "ddgamma"}
# Words of PyTorch where an operation has no derivative of its derivative.
_NOT_TWICE = ("once_differentiable", "not implemented", "does not require grad")


class Judged:
    """A function, or a forward and its backward, that normlab._core calls."""

    def __init__(self, function: Callable[..., Any], signature: Signature, framework: Framework,
                 backward: Callable[..., Any] | None, backward_signature: Signature | None, adds: bool,
                 double_backward: Callable[..., Any] | None = None, double_signature: Signature | None = None,
                 quantizes: bool = False) -> None:
        self.function, self.signature, self.framework = function, signature, framework
        self.backward, self.backward_signature = backward, backward_signature
        self.double_backward, self.double_signature = double_backward, double_signature
        self.adds = adds   # a residual: y and s are given back
        self.quantizes = quantizes   # y is of 8 bits, which autograd does not go through
        self.tracebacks: list[str] = []
        self.declined: dict[str, str] = {}   # by what was asked: the first answer
        self._seen: set[type] = set()

    @property
    def has_gradients(self) -> bool:
        return self.backward is not None or (self.framework.differentiates and not self.quantizes)

    @property
    def differentiates_twice(self) -> bool:
        return self.double_backward is not None or (self.backward is None and self.has_gradients and isinstance(self.framework, Torch))

    def __call__(self, what: str, given: dict[str, Any]) -> dict[str, Any] | str:
        arrays, types = {}, {}
        for name, value in given.items():
            if type(value) is tuple and type(value[0]) is bytearray:
                buffer, types[name], shape, strides = value
                value = np.ndarray(shape, memory_type(types[name]), buffer, strides=strides)
            arrays[name] = value
        call = {"forward": self._forward, "backward": self._backward, "double_backward": self._double_backward}[what]
        try:
            with self.framework.calling(arrays["dtype"]):
                return call(arrays, types)
        except Wrong as wrong:
            return str(wrong)
        except NotImplementedError as declined:
            if what == "double_backward":
                self.declined.setdefault("ddx, ddy, ddgamma", str(declined) or "NotImplementedError")
            return {"declined": str(declined) or "NotImplementedError"}
        except Exception as error:   # KeyboardInterrupt and SystemExit are none, and end the check
            # as torch's batch norm does, and its group norm
            if isinstance(error, ValueError) and (arrays["eps"] == 0 or arrays["block"] == 1):
                asked = "eps = 0" if arrays["eps"] == 0 else "one value a block"
                self.declined.setdefault(f"calls with {asked}", _told(error))
                return {"declined": f"{asked}: {error}"}
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
    def _given(self, arrays: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
        return {name: self.framework.give(value, types[name]) if name in types else value for name, value in arrays.items()}

    def _called(self, given: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        """y, and what else was returned."""
        result = self.signature.call(self.function, given)
        return (result[0], tuple(result[1:])) if isinstance(result, tuple) and result else (result, ())

    def _forward(self, arrays: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
        name, take = self.signature.name, self.framework.take
        given = self._given(arrays, types)
        y, others = self._called(given)
        results = {"y": take(f"y of {name}", y, arrays["output_dtype"], arrays["x"].shape)}
        if self.adds:
            if not others:
                raise Wrong(f"{name} gave back y alone; (y, s) is needed, where s = x + residual")
            results["s"] = take(f"s of {name}", others[0], arrays["residual_dtype"], arrays["x"].shape)
            others = others[1:]
        if "scales" in arrays:
            if not others:
                raise Wrong(f"{name} gave back no scale; (y, scale) is needed where the scale is an output")
            scale, others = others[0], others[1:]
            if hasattr(scale, "reshape") and int(np.prod(scale.shape)) == arrays["scales"]:
                scale = scale.reshape(-1)
            results["scale"] = take(f"scale of {name}", scale, "f32", (arrays["scales"],))
        state = [n for n in _STATE if n in arrays]
        if state:   # moved where they lie, or given back
            moved = others[:2] if len(others) >= 2 else [given[n] for n in state]
            for n, value in zip(state, moved):
                results[n] = take(f"{n} of {name}", value, types[n], arrays[n].shape)
        elif others and not any(s and s.takes("cache") for s in (self.backward_signature, self.double_signature)):
            raise Wrong(f"{name} gave back a tuple of {1 + len(others)}; y alone is needed")
        return results

    def _backward(self, arrays: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
        gradients = self._by_backward(arrays, types) if self.backward else self._by_autograd(arrays, types)
        whose = self.backward_signature.name if self.backward_signature else self.signature.name
        return {name: self.framework.take(f"{name} of {whose}", gradients[name], types[of], arrays[of].shape)
                for of, name in _GRADIENTS.items() if of in types and name in gradients}

    # What forward left, where `signature` takes it: forward is called once more.
    def _with_saved(self, given: dict[str, Any], arrays: dict[str, Any], types: dict[str, str], signature: Signature) -> None:
        if not (signature.takes("cache") or signature.takes("y")):
            return
        given["y"], others = self._called(self._given(arrays, types))
        others = others[self.adds:]
        if signature.takes("cache") and not others:
            raise Wrong(f"{self.signature.name} gave back y alone; {signature.name} takes what forward saved, so (y, saved) is needed")
        given["cache"] = others[0] if len(others) == 1 else others

    def _by_backward(self, arrays: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
        assert self.backward is not None and self.backward_signature is not None
        given = self._given(arrays, types)
        self._with_saved(given, arrays, types, self.backward_signature)
        if self.adds:
            given["x"] = given["s"]   # backward has the sum
        result = self.backward_signature.call(self.backward, given)
        wanted = ["dx"] + [_GRADIENTS[p] for p in _PARAMETERS if self.signature.takes(p) and arrays.get(p) is not None]
        gradients = _named(result, wanted, self.backward_signature.name)
        if self.adds:
            gradients.setdefault("d_residual", gradients["dx"])
        return gradients

    def _by_autograd(self, arrays: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
        given = self._given(arrays, types)
        leaves = [name for name in _GRADIENTS if name in types and self.signature.takes(name)]

        def outputs(values: dict[str, Any]) -> tuple[Any, ...]:
            y, others = self._called({**given, **values})
            return (y, others[0]) if self.adds else (y,)
        found = self.framework.gradients(self.signature.name, outputs, {name: given[name] for name in leaves},
                                         [given["dy"], given["ds"]] if self.adds else [given["dy"]])
        return {_GRADIENTS[name]: value for name, value in found.items()}

    # The gradients by these arguments, which have gradients themselves.
    def _differentiated(self, arrays: dict[str, Any], types: dict[str, str], leaves: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        assert isinstance(self.framework, Torch)
        torch, given = self.framework.torch, self._given(arrays, types)
        for name in leaves + ["dy"]:
            given[name].requires_grad_(True)
        y, others = self._called(given)
        outputs, cotangents = [y], [given["dy"]]
        if self.adds:
            outputs.append(others[0])
            cotangents.append(given["ds"])
        for name, output in zip(("y", "s"), outputs):
            if not isinstance(output, torch.Tensor):
                raise Wrong(f"{name} of {self.signature.name} is no torch.Tensor")
        if y.grad_fn is None:
            raise Wrong(f"y of {self.signature.name} has no gradient by autograd; backward=, a function of its own, is accepted, "
                        "and backward=False for its forward alone")
        cotangents = [c if c.dtype == o.dtype else c.to(o.dtype) for o, c in zip(outputs, cotangents)]   # y of f32 beside 16 bits
        found = torch.autograd.grad(outputs, [given[name] for name in leaves], cotangents, allow_unused=True, create_graph=True)
        return given, dict(zip(leaves, found))

    def _double_backward(self, arrays: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
        name = self.signature.name
        second = {of: n for of, n in _SECOND.items() if of in types and (of != "gamma" or self.signature.takes(of))}
        if self.double_backward:
            assert self.double_signature is not None
            name, given = self.double_signature.name, self._given(arrays, types)
            self._with_saved(given, arrays, types, self.double_signature)
            found = _named(self.double_signature.call(self.double_backward, given), list(second.values()), name)
        else:
            found = self._by_autograd_twice(arrays, types, second)
        return {n: self.framework.take(f"{n} of {name}", found[n], types[of], arrays[of].shape) for of, n in second.items()}

    def _by_autograd_twice(self, arrays: dict[str, Any], types: dict[str, str], second: dict[str, str]) -> dict[str, Any]:
        assert isinstance(self.framework, Torch)
        leaves = [n for n in ("x", "gamma", "beta") if n in types and self.signature.takes(n)]
        try:
            given, first = self._differentiated(arrays, types, leaves)
            if first["x"] is not None and first["x"].grad_fn is None:
                raise NotImplementedError("dx has no gradient by autograd")   # of a kernel that autograd does not see
            weighed = [(first[of], given[by]) for of, by in (("x", "v"), ("gamma", "u"), ("beta", "w"))
                       if first.get(of) is not None and first[of].grad_fn is not None]
            found = self.framework.torch.autograd.grad([g for g, _ in weighed], [given[of] for of in second],
                                                       [c for _, c in weighed], allow_unused=True)
            if all(value is None for value in found):   # once_differentiable cuts them off
                raise NotImplementedError("dx has no gradient by autograd: its backward is once_differentiable")
        except RuntimeError as error:   # of torch: others are told apart by nothing but their words
            if any(words in str(error) for words in _NOT_TWICE):
                raise NotImplementedError(str(error).splitlines()[0]) from None
            raise
        return {n: given[of].new_zeros(given[of].shape) if value is None else value
                for (of, n), value in zip(second.items(), found)}


def _named(result: Any, wanted: list[str], name: str) -> dict[str, Any]:
    """What a backward gave, a dict or a tuple in this order."""
    if isinstance(result, dict):
        gradients = dict(result)
    else:
        values = result if isinstance(result, tuple) else (result,)
        if len(values) < len(wanted):
            raise Wrong(f"{name} gave back {len(values)} of {len(wanted)} gradients; ({', '.join(wanted)}) is needed")
        gradients = dict(zip(wanted + (["d_residual"] if "dx" in wanted else []), values))
    for gradient in wanted:
        if gradient not in gradients:
            raise Wrong(f"{name} gave back no {gradient}; {', '.join(wanted)} are needed")
    return gradients


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
