"""Arrays for the functions that judge nothing: NumPy's and torch's, given as buffers and made of them."""
from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, Union

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    ArrayLike = Union[npt.ArrayLike, Any]
    Array = npt.NDArray[Any]

# (buffer, type, shape), as normlab._core has it, both ways.
Buffer = tuple[Any, str, tuple[int, ...]]


class Options(TypedDict, total=False):
    """What a layer is beside its variant; the words are those of `normlab export` (docs/what-a-layer-is.md)."""

    eps: float
    momentum: float | Literal["none"]
    groups: int
    running: str
    stat_batch: int
    r_max: float
    d_max: float
    denominator: str
    divisor: str
    gamma_offset: int
    activation: str
    param_dtype: str
    residual_as: Literal["stored", "wide"]
    residual_dtype: str
    affine_set: str
    cast: str
    output: str
    scale: str
    scale_power_of_two: bool
    scale_inverse: bool
    part: float


class _Kind(Protocol):
    def array(self, made: Buffer, eight_bits: str | None = None) -> Any: ...


_TYPES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "bool": "u8", "uint8": "u8"}


def _as_numpy(what: str, value: Any) -> tuple[np.ndarray, str]:
    """A NumPy array with the name of its type; that of bf16 is of its bits."""
    if _is_tensor(value):
        torch = sys.modules["torch"]
        tensor = value.detach()
        if tensor.device.type != "cpu":
            raise TypeError(f"{what} is on the device {tensor.device}; a tensor on the CPU is accepted: {what}.cpu()")
        if tensor.dtype == torch.bfloat16:
            return tensor.contiguous().view(torch.int16).numpy().view(np.uint16), "bf16"
        array = tensor.numpy()
    else:
        array = np.asarray(value)
    if array.dtype.name == "bfloat16":
        return np.ascontiguousarray(array).view(np.uint16), "bf16"
    if array.dtype.kind in "iu" and array.dtype.itemsize > 1 and not isinstance(value, np.ndarray):
        array = array.astype(np.float64)   # a list of whole numbers
    if array.dtype.name not in _TYPES:
        raise TypeError(f"{what} is of {array.dtype}; float64, float32, float16 and bfloat16 are accepted")
    return array, _TYPES[array.dtype.name]


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def given(**arrays: Any) -> dict[str, Buffer | None]:
    """Each as normlab._core takes it."""
    result: dict[str, Buffer | None] = {}
    for name, value in arrays.items():
        if value is None:
            result[name] = None
            continue
        array, dtype = _as_numpy(name, value)
        shape = array.shape   # ascontiguousarray gives a number a dimension
        result[name] = (np.ascontiguousarray(array).view(np.uint8) if dtype == "u8" else np.ascontiguousarray(array), dtype, shape)
    return result


def made(buffer: Buffer) -> Array:
    """An array on the memory that normlab._core made."""
    memory, dtype, shape = buffer
    return np.frombuffer(memory, dtype=dtype).reshape(shape)


class _NumPyKind:
    def array(self, buffer: Buffer, eight_bits: str | None = None) -> Any:
        array = made(buffer)
        name = {"e4m3": "float8_e4m3fn", "e5m2": "float8_e5m2"}.get(eight_bits or "", "bfloat16")
        if buffer[1] in ("uint16", "uint8"):
            try:
                import ml_dtypes
            except ImportError:
                return array   # the bits
            return array.view(getattr(ml_dtypes, name))
        return array


class _TorchKind:
    def array(self, buffer: Buffer, eight_bits: str | None = None) -> Any:
        torch: Any = sys.modules["torch"]
        array = made(buffer)
        if buffer[1] == "uint16":
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        if buffer[1] == "uint8":
            return torch.from_numpy(array).view(getattr(torch, {"e4m3": "float8_e4m3fn", "e5m2": "float8_e5m2"}[eight_bits or "e4m3"]))
        return torch.from_numpy(array)


def kind_of(value: Any) -> _Kind:
    """Results are arrays of what x is an array of."""
    return _TorchKind() if _is_tensor(value) else _NumPyKind()


def about(mode: str, layout: str, normalized_dims: int, dim: int | None, count: int = 0, **more: Any) -> dict[str, Any]:
    return {"mode": mode, "layout": layout, "normalized_dims": normalized_dims, "dim": dim, "count": count, "dtype": None, **more}
