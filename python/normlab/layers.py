"""normlab.layers: forward and backward of normlab's own kernels on arrays of NumPy and tensors of torch (CPU).

    y, saved = normlab.layers.forward("layer_norm", x, gamma, beta, eps=1e-5)
    dx, dgamma, dbeta = normlab.layers.backward(saved, dy, x, gamma, beta)

A block of m elements shares one mean and one variance; which, the variant says:

    mean  = (1/m) sum x (0 where it stays),  var = (1/m) sum (x - mean)^2,  rstd = 1 / sqrt(var + eps)
    x_hat = (x - mean) rstd,  y = gamma x_hat + beta
    dx    = rstd (g - mean(g) - x_hat mean(g x_hat)),  g = gamma dy;  dgamma = sum dy x_hat,  dbeta = sum dy

docs/what-a-layer-is.md has all options. Where var + eps = 0, x_hat = 0 and dx = 0.

x has the shape [N, C, ...] or, with layout="nhwc", [N, ..., C], and gamma and beta have one entry a channel. layer_norm,
rms_norm, partial_rms_norm and l2_norm normalize the last `normalized_dims` dimensions, and gamma has their shape.
weight_norm and weight_standardization keep the dimension `dim`, and gamma has the shape of torch's g, [C, 1, 1].

Data are float64, float32, float16 or bfloat16 (torch's, or that of the package ml_dtypes). gamma and beta are float32, or
float64 beside float64, unless param_dtype says otherwise. Results are new arrays of what x is an array of; nothing that is
given is written to, except a State. What is not contiguous is copied first.

Wrong arguments raise normlab.Error, a ValueError, which names the value and what is accepted.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, Literal

import numpy as np

from normlab import _core
from normlab._given import Options, about, given, kind_of, made

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from normlab._given import Array, ArrayLike

__all__ = ["State", "Saved", "Gradients", "forward", "backward", "backward_backward", "channel_map"]


class State:
    """Running statistics, float64, one entry a channel: mean, and var or sigma, whichever the layer keeps; copies of what is given. `count` is the number of
    steps. forward in training moves them where they lie."""

    def __init__(self, mean: ArrayLike, var: ArrayLike | None = None, sigma: ArrayLike | None = None, count: int = 0) -> None:
        self.mean: Array = np.array(mean, dtype=np.float64)
        self.var: Array | None = None if var is None else np.array(var, dtype=np.float64)
        self.sigma: Array | None = None if sigma is None else np.array(sigma, dtype=np.float64)
        self.count = count

    @classmethod
    def initial(cls, variant: str, channels: int, **options: Unpack[Options]) -> State:
        """As a layer begins: mean 0, variance or sigma 1."""
        return cls._of(_core.initial_state(variant, dict(options), channels), variant)

    @classmethod
    def _of(cls, made_state: dict[str, Any], variant: str) -> State:
        if "running_mean" not in made_state:
            raise _core.Error(f"{variant} keeps no running statistics; running='unbiased' of a variant that may keep them is accepted")
        arrays = {name: made(made_state[name]) if name in made_state else None for name in ("running_mean", "running_var", "running_sigma")}
        mean = arrays["running_mean"]
        assert mean is not None
        return cls(mean, arrays["running_var"], arrays["running_sigma"], made_state["count"])

    def _given(self) -> dict[str, Any]:
        return dict(running_mean=self.mean, running_var=self.var, running_sigma=self.sigma)

    def _move(self, moved: dict[str, Any]) -> None:
        for array, name in ((self.mean, "running_mean"), (self.var, "running_var"), (self.sigma, "running_sigma")):
            if array is not None and name in moved:
                array[...] = made(moved[name])
        self.count = moved["count"]

    def __repr__(self) -> str:
        return f"normlab.layers.State({len(self.mean)} channels, count={self.count})"


class Saved:
    """What forward keeps for backward. mean, var, rstd: float64, one entry a block; r, d: of batch renorm in training."""

    def __init__(self, core: _core.Call, variant: str, options: dict[str, Any], settings: dict[str, Any], kind: Any) -> None:
        self._core, self._variant, self._options, self._settings, self._kind = core, variant, options, settings, kind
        saved = core.saved()
        self.mean: Array | None = made(saved["mean"]) if "mean" in saved else None
        self.var: Array | None = made(saved["var"]) if "var" in saved else None
        self.rstd: Array | None = made(saved["rstd"]) if "rstd" in saved else None
        self.r: Array | None = made(saved["r"]) if "r" in saved else None
        self.d: Array | None = made(saved["d"]) if "d" in saved else None
        results = core.results()
        self.s: Any = kind.array(results["s"]) if "s" in results else None
        """x + residual, of a layer with a residual."""
        self.scale: Any = kind.array(results["scale"]) if "scale" in results else None
        """Of a y of 8 bits, where it was found."""
        self.implementation = core.implementation
        """Whose kernels ran: "cpu", or "reference" where these have not all that was asked."""
        self.accumulation = core.accumulation
        """What they promise of their sums, for normlab.truth(..., accumulation=saved.accumulation)."""


class Gradients(tuple[Any, ...]):
    """dx, dgamma, dbeta; behind them d_residual, of a layer with a residual, and dtau, of one with a threshold."""

    names: tuple[str, ...]

    def __new__(cls, arrays: dict[str, Any]) -> Gradients:
        self = super().__new__(cls, arrays.values())
        self.names = tuple(arrays)
        return self

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("names", ()):
            return self[self.names.index(name)]
        raise AttributeError(f"there is no {name}; {', '.join(self.names)} are there")

    def items(self) -> Iterator[tuple[str, Any]]:
        return zip(self.names, self)


def forward(
    variant: str,
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    state: State | None = None,
    residual: ArrayLike | None = None,
    tau: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    scale_value: float | None = None,
    mode: Literal["train", "eval"] = "train",
    layout: Literal["nchw", "nhwc"] = "nchw",
    normalized_dims: int = 1,
    dim: int | None = 0,
    impl: str | None = None,
    **options: Unpack[Options],
) -> tuple[Any, Saved]:
    """y = norm(x), and what backward needs.

    state: running statistics of variants that keep them (batch_norm, batch_renorm). Training moves them and makes one
        where none is given, which is lost; evaluation reads them.
    residual: added to x before the norm; saved.s is the sum. residual_as="wide": statistics see it before it is rounded.
    tau: of activation="threshold". mask: [N, ...], True where a position counts.
    output: y of another type, "f32", or of 8 bits, "e4m3" and "e5m2", with scale_value=0.01, or with scale="block" or "channels",
        which is found and is saved.scale. NumPy has such a y as bytes, unless ml_dtypes is installed.
    impl: "cpu", "reference", "cuda"; None: cpu, or reference where cpu has not all that is asked.
    options: eps, momentum, groups, running, gamma_offset, activation, param_dtype ... as normlab.check has them.
    """
    settings = about(mode, layout, normalized_dims, dim, state.count if state else 0, impl=impl, scale_value=scale_value)
    statistics = state._given() if state else {}
    core = _core.Call(variant, dict(options), given(x=x, gamma=gamma, beta=beta, residual=residual, tau=tau, mask=mask, **statistics), settings)
    if state is not None and mode == "train":
        state._move(core.state())
    kind = kind_of(x)
    return kind.array(core.results()["y"], options.get("output")), Saved(core, variant, dict(options), settings, kind)


def backward(
    saved: Saved,
    dy: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    ds: ArrayLike | None = None,
    tau: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Gradients:
    """dx, dgamma, dbeta of a loss, given dy = d loss / d y and what forward saved for the same x, gamma and beta.

    Of a layer with a residual x is saved.s, ds = d loss / d s (None: 0), and d_residual is behind dbeta. Of one with a
    threshold tau is forward's, and dtau is the last. beta matters only behind an activation.
    """
    arrays = saved._core.gradients(saved._variant, saved._options,
                                   given(x=x, dy=dy, gamma=gamma, beta=beta, ds=ds, tau=tau, mask=mask), saved._settings)
    return Gradients({name: saved._kind.array(array) for name, array in arrays.items()})


def backward_backward(
    saved: Saved,
    dy: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    *,
    v: ArrayLike | None = None,
    u: ArrayLike | None = None,
    w: ArrayLike | None = None,
) -> Gradients:
    """ddx, ddy, ddgamma: the gradients of <dx, v> + <dgamma, u> + <dbeta, w> by x, dy and gamma. One of v, u and w that is None is 0.

    Layers with a residual, an activation, a mask or statistics of a part have none.
    """
    arrays = saved._core.second_gradients(saved._variant, saved._options, given(x=x, dy=dy, gamma=gamma, v=v, u=u, w=w), saved._settings)
    return Gradients({name: saved._kind.array(array) for name, array in arrays.items()})


def channel_map(state: State, gamma: ArrayLike | None = None, beta: ArrayLike | None = None, *, variant: str = "batch_norm",
                **options: Unpack[Options]) -> tuple[Array, Array]:
    """Evaluation as one map a channel, y = scale x + shift, in float64: scale = gamma / sqrt(var + eps), shift = beta - scale mean."""
    result = _core.channel_map(variant, dict(options), given(gamma=gamma, beta=beta, **state._given()))
    return made(result["scale"]), made(result["shift"])
