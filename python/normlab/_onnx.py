"""check_onnx(): each normalization node of an ONNX model, as ONNX Runtime computes it."""
from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from normlab._check import check
from normlab._report import Report

_DTYPES = {"float64": "f64", "float32": "f32", "float16": "f16"}
# The layer that a node is. Those of SKIPS normalize the sum of two inputs.
_VARIANTS = {"LayerNormalization": "layer_norm", "SkipLayerNormalization": "layer_norm", "RMSNormalization": "rms_norm",
             "SimplifiedLayerNormalization": "rms_norm", "SkipSimplifiedLayerNormalization": "rms_norm", "BatchNormalization": "batch_norm",
             "InstanceNormalization": "instance_norm", "GroupNormalization": "group_norm"}
_SKIPS = ("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
_OF_ROWS = ("layer_norm", "rms_norm")
_EPS = {"SkipLayerNormalization": 1e-12, "SkipSimplifiedLayerNormalization": 1e-12}   # where the others have 1e-5


class Refused(Exception):
    """Why a node is not judged, in a sentence."""


def _needs(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise TypeError(f"check_onnx needs the package {name}, which is not installed") from None


@functools.lru_cache(maxsize=256)
def single(op: str, dtype: str, inputs: int, opset: int = 23, domain: str = "", outputs: int = 1,
           attributes: tuple[tuple[str, Any], ...] = ()) -> Any:
    """A session of one node. Inputs and outputs have the type dtype and any shape. Absent outputs of Skip... have no name."""
    onnx, ort = _needs("onnx"), _needs("onnxruntime")
    from onnx import helper
    of = helper.np_dtype_to_tensor_dtype(np.dtype({"f64": "float64", "f32": "float32", "f16": "float16"}[dtype]))
    names = [f"in{i}" for i in range(inputs)]
    results = ["y"] if outputs == 1 else ["y", "", "", "s"]
    node = helper.make_node(op, names, results, domain=domain, **dict(attributes))
    graph = helper.make_graph([node], "one", [helper.make_tensor_value_info(n, of, None) for n in names],
                              [helper.make_tensor_value_info(n, of, None) for n in results if n])
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=min(10, onnx.IR_VERSION))
    return _session(ort, model.SerializeToString())


def _session(ort: Any, model: bytes) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@dataclass
class Node:
    """A normalization node of a model, and what is said of it."""

    name: str
    op: str
    variant: str
    report: Report | None = None
    """of normlab's own cases"""
    recorded: list[dict[str, Any]] = field(default_factory=list)
    """its results on the model's own data, each against truth"""
    refused: str = ""
    """why it is not judged"""

    def __bool__(self) -> bool:
        return not self.refused and (self.report is None or bool(self.report)) and all(r["verdict"] == "PASS" for r in self.recorded)

    def __str__(self) -> str:
        head = f"{self.name} ({self.op}, {self.variant}): "
        if self.refused:
            return head + f"not judged: {self.refused}"
        lines = [head + ("holds" if self else "does not hold")]
        if self.report is not None:
            again = f'normlab.check_onnx(model, nodes=["{self.name}"], cases='
            lines += ["  " + re.sub(r"normlab\.check\(.*?, cases=", again, line) for line in str(self.report).splitlines() if line]
        for r in self.recorded:
            lines.append(f"  {r['verdict']} on the model's own data {r['quantity']}: error {r['error']:.3g}, bound {r['bound']:.3g} {r.get('where', '')}".rstrip())
        return "\n".join(lines)


class OnnxReport:
    """The verdict on a model: true if every normalization node was judged and holds."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def __bool__(self) -> bool:
        return bool(self.nodes) and all(self.nodes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.nodes)) or f"the model has no normalization node; {', '.join(_VARIANTS)} are judged"

    def __repr__(self) -> str:
        return f"<normlab.OnnxReport: {sum(map(bool, self.nodes))} of {len(self.nodes)} nodes hold>"


def check_onnx(model: Any, *, feeds: dict[str, np.ndarray] | None = None, nodes: list[str] | None = None, tier: str = "ci",
               **options: Any) -> OnnxReport:
    """Judges each normalization node of a model, as ONNX Runtime computes it on the CPU.

    model: a path, the bytes of a file, or an onnx.ModelProto. Each node is taken out with its attributes, and judged on
        normlab's cases, with the number of channels that its parameters have. Only the forward is there to judge.
    feeds: inputs of the whole model, by name. The model runs on them, and what each node makes of its own data is judged, too.
    nodes: the names of those to judge; all if None.   tier, and options: as check() has them (checks, seed, accumulation ...).
        tier="none": on the feeds alone.
    """
    onnx, ort = _needs("onnx"), _needs("onnxruntime")
    if isinstance(model, (str, os.PathLike)):
        model = onnx.load(os.fspath(model))
    elif isinstance(model, bytes):
        model = onnx.load_from_string(model)
    if not hasattr(model, "graph"):
        raise TypeError(f"model is {type(model).__name__}; a path, bytes or an onnx.ModelProto is accepted")
    if tier == "none" and feeds is None:
        raise ValueError("tier='none' judges the model's own data alone; feeds={name: array} is needed with it")
    constants = _constants(onnx, model)
    found = [n for n in model.graph.node if n.op_type in _VARIANTS]
    names = {id(n): n.name or (n.output[0] if n.output else n.op_type) for n in found}
    for name in nodes or ():
        if name not in names.values():
            raise ValueError(f"the model has no normalization node {name!r}; it has {', '.join(names.values()) or 'none'}")
    found = [n for n in found if nodes is None or names[id(n)] in nodes]
    values = None if feeds is None else _recorded(ort, model, found, constants, feeds)
    judged = []
    for n in found:
        node = Node(names[id(n)], n.op_type, _VARIANTS[n.op_type])
        try:
            layer = _Layer(onnx, model, n, constants, values)
            if tier != "none":
                node.report = layer.check(tier, options)
            if values is not None:
                node.recorded = layer.compare(values)
        except Refused as why:
            node.refused = str(why)
        judged.append(node)
    return OnnxReport(judged)


def _constants(onnx: Any, model: Any) -> dict[str, np.ndarray]:
    arrays = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    for n in model.graph.node:
        if n.op_type == "Constant" and n.attribute and n.attribute[0].name == "value":
            arrays[n.output[0]] = onnx.numpy_helper.to_array(n.attribute[0].t)
    return arrays


def _recorded(ort: Any, model: Any, found: list[Any], constants: dict[str, np.ndarray], feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What goes into the nodes and comes out of them, where the whole model runs on the feeds."""
    import onnx
    wanted = dict.fromkeys(name for n in found for name in [*n.input, *n.output] if name and name not in constants and name not in feeds)
    more = type(model)()
    more.CopyFrom(model)
    there = {o.name for o in more.graph.output}
    more.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in wanted if name not in there)
    try:
        results = _session(ort, more.SerializeToString()).run(list(wanted), feeds) if wanted else []
    except Exception as error:   # those of ONNX Runtime have no common class
        raise ValueError(f"the model does not run on these feeds: {error}") from None
    return {**constants, **feeds, **dict(zip(wanted, results))}


class _Layer:
    """What a node computes, in normlab's words."""

    def __init__(self, onnx: Any, model: Any, node: Any, constants: dict[str, np.ndarray], values: dict[str, np.ndarray] | None) -> None:
        self.node, self.variant = node, _VARIANTS[node.op_type]
        self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        self.skips = node.op_type in _SKIPS
        self.eps = float(np.float32(self.attributes.get("epsilon", _EPS.get(node.op_type, 1e-5))))
        inputs = list(node.input)
        if self.skips and len(inputs) > 4 - (self.variant == "rms_norm") and inputs[-1]:
            raise Refused("it adds a bias to the sum as well")
        parameters = inputs[2:] if self.skips else inputs[1:]
        known = values if values is not None else constants
        self.names = [n for n in parameters if n]
        arrays = [known.get(n) for n in self.names]
        if not arrays or arrays[0] is None:
            raise Refused("its scale is computed by the model; feeds={name: array} is needed with it")
        scale = arrays[0]
        if str(scale.dtype) not in _DTYPES:
            raise Refused(f"it is of {scale.dtype}; float64, float32 and float16 are judged")
        self.dtype = _DTYPES[str(scale.dtype)]
        self.shape = scale.shape if self.variant in _OF_ROWS else ()
        self.channels = int(scale.size)
        self.options: dict[str, Any] = {"eps": self.eps}
        self.groups = None
        opsets = {o.domain or "": o.version for o in model.opset_import}
        self.opset = opsets.get("", opsets.get("ai.onnx", 23))
        if self.variant in _OF_ROWS:
            axis = self.attributes.get("axis", -1)
            if axis < 0 and not self.skips and -axis != scale.ndim:
                raise Refused(f"it normalizes {-axis} dimensions, and its scale has {scale.ndim}; as many are judged")
            if self.attributes.get("stash_type", 1) != 1:
                raise Refused(f"it has stash_type={self.attributes['stash_type']}; 1 is judged")
        if self.variant == "group_norm":
            self.groups = int(self.attributes["num_groups"])
            if self.opset < 21:
                raise Refused(f"GroupNormalization of opset {self.opset} has a scale for each group; that since 21, for each channel, is judged")
        if self.variant == "batch_norm":
            if self.attributes.get("training_mode", 0):
                raise Refused("it has training_mode=1; evaluation is judged")
            self.options |= {"momentum": 1 - float(self.attributes.get("momentum", 0.9)), "running": "biased"}

    def _attributes(self) -> tuple[tuple[str, Any], ...]:
        attributes = dict(self.attributes)
        if self.variant in _OF_ROWS and not self.skips:
            attributes["axis"] = -len(self.shape)
        return tuple(sorted(attributes.items()))

    def check(self, tier: str, options: dict[str, Any]) -> Report:
        session = single(self.node.op_type, self.dtype, len(self.node.input), self.opset, self.node.domain, 2 if self.skips else 1, self._attributes())

        def run(*arrays: np.ndarray) -> Any:
            x, rest = arrays[0], arrays[1:]
            if len(self.shape) > 1:
                rest = tuple(a.reshape(self.shape) if a.shape == (self.channels,) else a for a in rest)
                x = x.reshape(x.shape[0], *self.shape)
            results = session.run(None, dict(zip([i.name for i in session.get_inputs()], (x, *rest))))
            return results[0].reshape(arrays[0].shape) if len(results) == 1 else tuple(results)

        def gamma_alone(x, gamma): return run(x, gamma)
        def both(x, gamma, beta): return run(x, gamma, beta)
        def added(x, residual, gamma): return run(x, residual, gamma)
        def added_both(x, residual, gamma, beta): return run(x, residual, gamma, beta)

        def evaluated(x, gamma, beta, running_mean, running_var, training):
            if training:
                raise NotImplementedError("it has training_mode=0")
            return run(x, gamma, beta, running_mean, running_var)

        if self.variant == "batch_norm":
            function = evaluated
        elif self.skips:
            function = added_both if len(self.names) == 2 else added
        else:
            function = both if len(self.names) == 2 else gamma_alone
        function.__name__ = self.node.op_type
        if self.skips:
            options = {"residual": "stored"} | options
        return check(function, self.variant, backward=False, dtypes=self.dtype, tier=tier, framework="numpy", channels=self.channels,
                     groups=self.groups, **self.options | options)

    def compare(self, values: dict[str, np.ndarray]) -> list[dict[str, Any]]:
        from normlab import truth
        x, y = values[self.node.input[0]], values[self.node.output[0]]
        given: dict[str, Any] = {"eps": self.eps}
        names = self.names
        if self.variant == "batch_norm":
            given |= {"mode": "eval", "running": "biased"} | dict(zip(("running_mean", "running_var"), (values[n] for n in names[2:4])))
            names = names[:2]
        if self.groups is not None:
            given["groups"] = self.groups
        if self.variant in _OF_ROWS:
            given["normalized_dims"] = len(self.shape)
        if self.skips:
            given |= {"residual": values[self.node.input[1]]}
        parameters = dict(zip(("gamma", "beta"), (values[n] for n in names)))
        return list(truth(self.variant, x, **parameters, dtype=self.dtype, **given).compare(y=y))
