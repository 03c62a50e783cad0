"""A planted fault of faulty.so, behind the C interface of norms/plugin.h, as functions of NumPy arrays."""
from __future__ import annotations

import ctypes
import inspect
from ctypes import c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32, c_void_p
from typing import Any

import numpy as np

import normlab

SAMPLES, GROUPS, CHANNELS, POSITIONS = 1, 2, 4, 8
ROW = GROUPS | CHANNELS | POSITIONS
CENTRED, MEAN_SQUARE, NORM = 0, 1, 2
UNBIASED, SIGMA = 1, 3
FLOOR, ADDED = 2, 1
# norms/variants/
VARIANTS: dict[str, dict[str, Any]] = {
    "layer_norm": {"block": ROW},
    "rms_norm": {"block": ROW, "moments": MEAN_SQUARE},
    "partial_rms_norm": {"block": ROW, "moments": MEAN_SQUARE, "part": 0.0625},
    "l2_norm": {"block": ROW, "moments": NORM, "denominator": FLOOR},
    "group_norm": {"block": CHANNELS | POSITIONS},
    "instance_norm": {"block": POSITIONS},
    "filter_response_norm": {"block": POSITIONS, "moments": MEAN_SQUARE},
    "batch_norm": {"block": SAMPLES | POSITIONS, "running": UNBIASED},
    "batch_renorm": {"block": SAMPLES | POSITIONS, "running": SIGMA, "correction": 1},
    "weight_standardization": {"block": SAMPLES | POSITIONS, "denominator": ADDED, "divisor": 1},
}
_CODES = {"float64": 0, "float32": 1, "float16": 3}
_WORDS = {
    "epilogue": ["none", "relu", "silu", "gelu", "gelu_tanh", "threshold"],
    "residual": ["none", "stored", "wide"],
    "affine_set": ["channel", "element", "sample_channel", "group"],
    "cast": ["after", "before"],
    "output": ["data", "f32", "e4m3", "e5m2"],
    "scale": ["given", "block", "channels"],
    "denominator": ["root", "added", "floor", "floor_root"],
    "divisor": ["own", "less_one", "one"],
}


class Problem(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("variant", c_char_p), ("N", c_int64), ("C", c_int64), ("S", c_int64),
                *((n, c_int32) for n in ("dtype", "layout", "mode", "device", "block", "moments", "correction", "running")),
                ("groups", c_int64), ("stat_batch", c_int64), ("statistics", c_int64),
                ("eps", c_double), ("momentum", c_double), ("r_max", c_double), ("d_max", c_double),
                *((n, c_int32) for n in ("epilogue", "reserved", "denominator", "divisor", "gamma_offset", "param_dtype", "residual",
                                         "residual_dtype", "affine_set", "strided")),
                *((n, c_int64 * 3) for n in ("x_strides", "y_strides", "dy_strides", "dx_strides")),
                *((n, c_int32) for n in ("cast", "masked", "output", "scale", "scale_power_of_two", "scale_inverse")),
                ("scales", c_int64), ("part", c_double)]


class State(ctypes.Structure):
    _fields_ = [(n, c_void_p) for n in ("mean", "var", "sigma", "count")]


class Saved(ctypes.Structure):
    _fields_ = [(n, c_void_p) for n in ("mean", "var", "rstd", "r", "d", "opaque")]


class Forward(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("x", c_void_p), ("gamma", c_void_p), ("beta", c_void_p), ("state", State), ("saved", Saved),
                *((n, c_void_p) for n in ("y", "workspace", "stream", "residual", "s", "mask", "scale", "tau"))]


class Backward(ctypes.Structure):
    _fields_ = [("size", c_size_t), *((n, c_void_p) for n in ("x", "dy", "gamma", "beta")), ("saved", Saved),
                *((n, c_void_p) for n in ("dx", "dgamma", "dbeta", "workspace", "stream", "ds", "d_residual", "mask", "tau", "dtau"))]


class Second(ctypes.Structure):
    _fields_ = [("size", c_size_t), *((n, c_void_p) for n in ("x", "dy", "gamma")), ("saved", Saved),
                *((n, c_void_p) for n in ("v", "u", "w", "ddx", "ddy", "ddgamma", "workspace", "stream"))]


_POINTER = ctypes.CFUNCTYPE


class Table(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("version", c_uint32), ("name", c_char_p), ("description", c_char_p),
                ("device", c_int32), ("saves", c_int32), ("updates_state", c_int32), ("accumulation", c_int32 * 4),
                ("available", c_void_p), ("supports", _POINTER(c_char_p, c_void_p)),
                ("create", _POINTER(c_int32, c_void_p, c_void_p)), ("destroy", _POINTER(None, c_void_p)),
                ("workspace_bytes", c_void_p), ("saved_bytes", c_void_p),
                ("forward", _POINTER(c_int32, c_void_p, c_void_p)), ("backward", _POINTER(c_int32, c_void_p, c_void_p)),
                ("set_threads", c_void_p), ("last_error", _POINTER(c_char_p)),
                ("nondeterministic", c_int32), ("flushes_subnormals", c_int32),
                ("backward_backward", _POINTER(c_int32, c_void_p, c_void_p)), ("reads", c_int32)]


def _room(count: int, dtype: Any) -> np.ndarray:
    """More than is asked for: some faults write behind the end, or with another's strides."""
    return np.full(count + min(63 * count, 1 << 16) + 4096, np.nan if np.dtype(dtype).kind == "f" else 0).astype(dtype)


def _at(array: np.ndarray | None) -> int | None:
    return None if array is None else array.ctypes.data


class Faulty:
    """The layer with this fault; none: the right layer. `options`: those of normlab.check that say what is built in."""

    def __init__(self, library: str, fault: str, variant: str, **options: Any) -> None:
        entry = ctypes.CDLL(library).normlab_plugin_entry
        entry.restype, entry.argtypes = ctypes.POINTER(Table), [c_uint32, c_char_p]
        found = entry(1 << 16 | 10, fault.encode())
        if not found:
            raise ValueError(f"{fault!r} is no planted fault of {library}")
        self.table, self.variant, self.name = found.contents, variant, fault or "faulty"
        self.own = VARIANTS[variant] | {k: _WORDS[k].index(v) for k, v in options.items() if k in _WORDS}
        self.own["epilogue"] = _WORDS["epilogue"].index(options.get("activation") or "none")
        self.own["layout"] = int(options.get("layouts") == "nhwc")   # never of an array of two axes
        self.own["part"] = options.get("part", self.own.get("part", 0))
        self.own["gamma_offset"] = options.get("gamma_offset", 0)
        self.own["masked"] = int(bool(options.get("mask")))
        self.own["scale_power_of_two"] = int(options.get("scale_power_of_two", False))
        self.own["running"] = {"unbiased": 1, "biased": 2}.get(options.get("running") or "", self.own.get("running", 0))
        self._plans: dict[bytes, c_void_p] = {}   # one a problem, as long as this lives
        beta = normlab._core.variant(variant)["beta"]
        layer = ["x", "gamma", *["beta"] * beta, "eps"]
        if "group" in variant:
            layer.append("num_groups")
        if self.own["running"]:
            layer += ["running_mean", "running_sigma" if self.own["running"] == SIGMA else "running_var", "training", "momentum"]
        if self.own.get("correction"):
            layer += ["r_max", "d_max"]
        layer += ["mask"] * self.own["masked"] + ["tau"] * (options.get("activation") == "threshold")
        layer += ["residual"] * bool(self.own.get("residual"))
        scaled = ["y_scale"] if self.own.get("output", 0) > 1 and not self.own.get("scale") else []
        self.forward = self._named(self._forward, layer + scaled)
        residual = [n for n in layer if n != "residual"] + ["s", "ds"] if self.own.get("residual") else layer
        self.backward = self._named(self._backward, ["dy", *residual] + ["cache"] * (self.own.get("residual") == 2))
        self.double_backward = self._named(self._double_backward, ["dy", *(["p", "q"] if "weight" in variant else ["v", "u"]), *["w"] * beta, *layer])

    def _named(self, function: Any, names: list[str]) -> Any:
        def named(**given: Any) -> Any:
            given = {n: v for n, v in given.items() if v is not None}
            if self.own.get("residual"):   # what is added lies as x does
                given = {n: np.ascontiguousarray(v) if isinstance(v, np.ndarray) and v.ndim else v for n, v in given.items()}
            return function(given)
        parameters = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in names]
        named.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        named.__name__ = self.name
        return named

    def _axes(self, of: Any, of_none: int) -> list[int]:
        """Of N, C and S, what an array has of its axes."""
        first, second, third = (*of, of_none)[:3]
        return [first, third, second] if self.own["layout"] else [first, second, third]

    def _problem(self, given: dict[str, Any], dy: np.ndarray | None = None) -> Problem:
        x, p = given["x"], Problem(size=ctypes.sizeof(Problem), variant=self.variant.encode())
        p.N, p.C, p.S = self._axes(x.shape, 1)
        for field, value in self.own.items():
            setattr(p, field, value)
        p.dtype = _CODES[x.dtype.name]
        if p.residual and given["residual"].dtype != x.dtype:
            p.residual_dtype = 1 + _CODES[given["residual"].dtype.name]
        p.groups, p.eps, p.momentum = given.get("num_groups", 1), given["eps"], given.get("momentum", 0.1)
        p.mode = int(not given.get("training", True))
        p.r_max, p.d_max = given.get("r_max", 3), given.get("d_max", 5)
        b, G = p.block, p.groups
        p.statistics = ((1 if b & SAMPLES else p.N) * (1 if b & GROUPS else G) * (1 if b & CHANNELS else p.C // G) *
                        (1 if b & POSITIONS else p.S)) if not (p.running and p.mode) else p.C
        gamma = given.get("gamma")
        if gamma is not None and gamma.dtype.name == "float16":
            p.param_dtype = 1 + _CODES["float16"]
        p.scales = (1 if p.scale == 0 else p.statistics if p.scale == 1 else p.N * p.S * -(-p.C // 128)) if p.output > 1 else 0
        dense = [p.C * p.S, 1, p.C] if p.layout else [p.C * p.S, p.S, 1]
        for field, array in (("x_strides", x), ("dy_strides", dy)):
            steps = dense if array is None else self._axes([s // array.itemsize for s in array.strides], 1)
            setattr(p, field, (c_int64 * 3)(*[s if e > 1 else d for s, d, e in zip(steps, dense, (p.N, p.C, p.S))]))
            p.strided |= int(list(getattr(p, field)) != dense)
        p.y_strides = p.dx_strides = (c_int64 * 3)(*dense)
        return p

    def _plan(self, p: Problem) -> c_void_p:
        key = bytes(p)[16:]   # behind the size and the name's address
        if key not in self._plans:
            plan = c_void_p()
            self._checked(self.table.create(ctypes.byref(p), ctypes.byref(plan)))
            self._plans[key] = plan
        return self._plans[key]

    def _checked(self, status: int) -> None:
        if status != 0:
            raise RuntimeError(f"{self.name}: {(self.table.last_error() or b'').decode()}")

    def _run_forward(self, given: dict[str, Any], p: Problem) -> tuple[dict[str, np.ndarray], Saved, list[Any]]:
        x = given["x"]
        keep = {n: np.zeros(p.statistics) for n in ("mean", "var", "rstd", *["r", "d"] * bool(p.correction and not p.mode))}
        saved, state, count = Saved(**{n: _at(a) for n, a in keep.items()}), State(), np.zeros(1, np.int64)
        out = {"y": _room(x.size, ["x", np.float32, np.uint8, np.uint8][p.output] if p.output else x.dtype)}
        for name, field in (("running_mean", "mean"), ("running_var", "var"), ("running_sigma", "sigma")):
            if name in given:
                out[name] = given[name].astype(np.float64)
                setattr(state, field, _at(out[name]))
        state.count = _at(count)
        a = Forward(size=ctypes.sizeof(Forward), x=_at(x), state=state, saved=saved, y=_at(out["y"]))
        for name in ("gamma", "beta", "tau", "mask", "residual"):
            setattr(a, name, _at(given.get(name)))
        if p.residual:
            out["s"] = _room(x.size, given["residual"].dtype)
            a.s = _at(out["s"])
        if p.scales:
            out["scale"] = np.full(p.scales, given.get("y_scale", 0), np.float32)
            a.scale = _at(out["scale"])
        self._checked(self.table.forward(self._plan(p), ctypes.byref(a)))
        return out, saved, [keep, count]

    def _forward(self, given: dict[str, Any]) -> Any:
        p, x = self._problem(given), given["x"]
        out, _, (keep, _) = self._run_forward(given, p)
        results = [out["y"][:x.size].reshape(x.shape)]
        if p.residual:
            results.append(out["s"][:x.size].reshape(x.shape))
        if p.scale:
            results.append(out["scale"])
        for name in ("running_mean", "running_var", "running_sigma"):
            if name in given:
                results.append(out[name].astype(given[name].dtype))
        if p.residual == 2:
            results.append(keep)
        return tuple(results) if len(results) > 1 else results[0]

    def _prepared(self, given: dict[str, Any]) -> tuple[dict[str, Any], Problem, Saved, list[Any]]:
        """What backward has of a forward on the same numbers."""
        given = dict(given)
        first = dict(given)
        if self.own.get("residual"):
            given["x"] = given["s"]
            first |= {"x": np.zeros(given["s"].shape, given["dy"].dtype), "residual": given["s"]}
        p = self._problem(first, given["dy"])
        alone = self._problem(first)
        _, saved, alive = self._run_forward(first, alone)
        if "cache" in given:
            saved, alive = Saved(**{n: _at(a) for n, a in given["cache"].items()}), [given["cache"]]
        return given, p, saved, alive

    def _backward(self, given: dict[str, Any]) -> dict[str, Any]:
        given, p, saved, alive = self._prepared(given)
        x, gamma = given["x"], given.get("gamma")
        gamma = gamma if gamma is not None else given.get("tau")
        out = {"dx": _room(x.size, given["dy"].dtype)} | {n: _room(gamma.size, gamma.dtype) for n in ("dgamma", "dbeta", "dtau")}
        if p.residual:
            out["d_residual"] = _room(x.size, x.dtype)
        a = Backward(size=ctypes.sizeof(Backward), saved=saved, **{n: _at(v) for n, v in out.items() if n != "dtau" or "tau" in given})
        for name in ("x", "dy", "gamma", "beta", "ds", "mask", "tau"):
            setattr(a, name, _at(given.get(name)))
        self._checked(self.table.backward(self._plan(p), ctypes.byref(a)))
        return {n: v[:x.size].reshape(x.shape) if n in ("dx", "d_residual") else v[:gamma.size].reshape(gamma.shape)
                for n, v in out.items()}

    def _double_backward(self, given: dict[str, Any]) -> dict[str, Any]:
        given, p, saved, alive = self._prepared({{"p": "v", "q": "u"}.get(n, n): v for n, v in given.items()})
        x, gamma = given["x"], given["gamma"]
        out = {"ddx": _room(x.size, x.dtype), "ddy": _room(x.size, x.dtype), "ddgamma": _room(gamma.size, gamma.dtype)}
        a = Second(size=ctypes.sizeof(Second), saved=saved, **{n: _at(v) for n, v in out.items()})
        for name in ("x", "dy", "gamma", "v", "u", "w"):
            setattr(a, name, _at(given.get(name)))
        self._checked(self.table.backward_backward(self._plan(p), ctypes.byref(a)))
        return {n: v[:x.size].reshape(x.shape) if n != "ddgamma" else v[:gamma.size].reshape(gamma.shape) for n, v in out.items()}
