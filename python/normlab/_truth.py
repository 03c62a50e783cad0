"""normlab.truth and normlab.bounds: what a layer should give, and how far off it may be."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from normlab import _core
from normlab._given import Options, about, given, made

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from normlab._given import Array, ArrayLike


class Comparison(TypedDict, total=False):
    """One result held against truth, at the element where error / bound is worst."""

    quantity: str
    error: float
    bound: float
    ratio: float
    verdict: Literal["PASS", "FAIL", "UNRESOLVED"]
    warning: bool
    """within the bound, beyond the one with the square root of the number of roundings"""
    not_judged: bool
    """it held, but the bound is larger than what the result is made of"""
    where: str
    note: str


class Truth:
    """Right values of one call, in float64, and their bounds. A value that this call does not have is None.

    Values are computed to 100 bits and more, and rounded once to float64. Elements have the shape of x, gradients by gamma
    and beta that of gamma and beta, statistics one entry a block (in the order of samples, then channels, groups or
    positions), running statistics one a channel.
    """

    def __init__(self, core: _core.Truth) -> None:
        self._core = core
        values = {name: made(buffer) for name, buffer in core.values().items()}
        blocks = core.blocks()
        self.y: Array = values["y"]
        self.dx: Array | None = values.get("dx")
        self.dgamma: Array | None = values.get("dgamma")
        self.dbeta: Array | None = values.get("dbeta")
        self.dtau: Array | None = values.get("dtau")
        self.s: Array | None = values.get("s")
        self.d_residual: Array | None = values.get("d_residual")
        self.mean: Array = values["mean"]
        self.var: Array = values["var"]
        self.rstd: Array = values["rstd"]
        self.r: Array | None = values.get("r")
        self.d: Array | None = values.get("d")
        self.running_mean: Array | None = values.get("running_mean")
        self.running_var: Array | None = values.get("running_var")
        self.running_sigma: Array | None = values.get("running_sigma")
        self.ddx: Array | None = values.get("ddx")
        self.ddy: Array | None = values.get("ddy")
        self.ddgamma: Array | None = values.get("ddgamma")
        self.count = core.count
        """Steps that running statistics have made after the call."""
        self.kappa: Array = made(blocks["kappa"])
        """Of each block sqrt(1 + mean^2 / (var + eps)): how far its data lie from 0, measured in their own spread."""
        self.values: dict[str, Array] = values
        """All that there is, by name."""
        self.bound: dict[str, Array] = {name: made(buffer) for name, buffer in core.bounds("hard").items()}
        """How large |result - truth| may be, element by element, by the same names."""
        self.outside = core.outside
        """Why the bounds do not hold for these data; empty where they do."""

    def error(self, name: str, result: ArrayLike) -> Array:
        """|result - truth| of each element, as findings have it: 0 where an infinity or a NaN is right."""
        array = given(**{name: result})[name]
        if array is None:
            raise TypeError(f"{name} is None; an array is needed")
        return made(self._core.errors(name, array))

    def compare(self, **results: ArrayLike) -> list[Comparison]:
        """Results against truth, truth.compare(y=y, dx=dx): a record for each, as the check `accuracy` judges it."""
        return self._core.compare({name: array for name, array in given(**results).items() if array is not None})

    def __repr__(self) -> str:
        return f"<normlab.Truth of shape {self.y.shape}: {', '.join(self.values)}>"


def truth(
    variant: str,
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    dy: ArrayLike | None = None,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    running_sigma: ArrayLike | None = None,
    count: int = 0,
    residual: ArrayLike | None = None,
    ds: ArrayLike | None = None,
    tau: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    v: ArrayLike | None = None,
    u: ArrayLike | None = None,
    w: ArrayLike | None = None,
    dtype: str | None = None,
    accumulation: str = "sequential",
    mode: Literal["train", "eval"] = "train",
    layout: Literal["nchw", "nhwc"] = "nchw",
    normalized_dims: int = 1,
    dim: int | None = 0,
    **options: Unpack[Options],
) -> Truth:
    """The right results of one call of a layer, each with the bound on the error that a promise allows.

    variant: "layer_norm"; normlab.variants() lists them. x, gamma, beta, dy: NumPy arrays or torch tensors on the CPU. Without
        dy there are no gradients; without gamma and beta they are 1 and 0, and dgamma and dbeta are given all the same.
    x has the shape [N, C, ...] or, with layout="nhwc", [N, ..., C]. layer_norm, rms_norm, partial_rms_norm and l2_norm normalize
        the last `normalized_dims` dimensions, and gamma has their shape. Weights keep the dimension `dim` (None: none).
    dtype: of the data of the kernel that the bounds are for: "f64", "f32", "f16", "bf16". None: that of x. The numbers of
        x, gamma ... must be numbers of that type, because a kernel reads them exactly.
    accumulation: how the kernel forms its sums, "sequential", "tree", "f64", "kappa-free" or "pivot". Bounds follow from it.
    running_mean, running_var (or running_sigma), count: before the call, for variants that keep them. In training they are
        0, 1 and 0 where none are given.
    residual, ds: of a layer that normalizes s = x + residual. tau: of activation="threshold". mask: [N, ...], True where a
        position counts. v, u, w: cotangents of dx, dgamma and dbeta, for the double backward.
    options: eps, momentum, groups, gamma_offset, activation ... as normlab.check has them.

    Raises normlab.Error, which names the value and what is accepted.
    """
    arrays = given(x=x, gamma=gamma, beta=beta, dy=dy, running_mean=running_mean, running_var=running_var,
                   running_sigma=running_sigma, residual=residual, ds=ds, tau=tau, mask=mask, v=v, u=u, w=w)
    return Truth(_core.Truth(variant, dict(options), arrays,
                             about(mode, layout, normalized_dims, dim, count, accumulation=accumulation) | {"dtype": dtype}))


def bounds(variant: str, x: ArrayLike, *args: Any, limit: Literal["hard", "warning"] = "hard", **call: Any) -> dict[str, Array]:
    """The bounds of truth(variant, x, ...) alone, by the name of the result.

    limit: "hard", what a right kernel never exceeds; "warning", with the square root of the number of roundings in a sum, as
        errors of random sign have it.
    """
    return {name: made(buffer) for name, buffer in truth(variant, x, *args, **call)._core.bounds(limit).items()}
