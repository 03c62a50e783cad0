"""normlab.fold and normlab.recalibrate."""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from normlab import _core
from normlab._given import Options, given, kind_of, made
from normlab.layers import State

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from normlab._given import Array, ArrayLike


class Folded:
    """A layer that a norm was folded into: W and b, of W's type and shape, and how far its outputs may be off by that.

    |z'[o] - z[o]| <= relative sum |W'[o, i, k] a[i, k]| + smallest sum |a[i, k]| + bias[o], apart from how the sum is formed.
    """

    def __init__(self, made_layer: dict[str, Any], kind: Any) -> None:
        self.W: Any = kind.array(made_layer["W"])
        self.b: Any = kind.array(made_layer["b"])
        self.relative: float = made_layer["relative"]
        self.smallest: float = made_layer["smallest"]
        self.bias: Array = made(made_layer["bias"])

    def __iter__(self) -> Any:
        return iter((self.W, self.b))


def fold(
    W: ArrayLike,
    b: ArrayLike | None = None,
    state: State | None = None,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    variant: str = "batch_norm",
    transposed: bool = False,
    layer_groups: int = 1,
    zero_padded: bool = False,
    **options: Unpack[Options],
) -> Folded:
    """A norm folded into the dense layer or convolution next to it, so that at inference it costs nothing.

    With a State: evaluation of a norm with running statistics, which comes behind the layer. W' = scale W, b' = scale b + shift, with
        scale = gamma / sqrt(var + eps) and shift = beta - scale mean.
    Without: gamma and beta of any norm that comes before the layer and keeps its statistics. W' = W gamma, b' = b + W beta;
        the norm then has neither. A beta that is not 0 cannot be folded into a layer with zero_padded=True, whose outputs at
        the border sum over a part of the kernel.

    W: [out, in / layer_groups, ...], or transposed [in, out / layer_groups, ...], as torch has it. b: [out], or None.
    options: eps, gamma_offset ... of the norm. Each folded value is computed in float64 and rounded once to W's type; gamma
    and beta are of one type, any. Returns Folded, which unpacks: W, b = normlab.fold(...).

    In float32 and narrower types b' loses a factor kappa = sqrt(1 + mean^2 / var) of accuracy that the norm itself need not
    lose: Folded.bias is the bound on it.
    """
    statistics = state._given() if state else {}
    arrays = given(W=W, b=b, gamma=gamma, beta=beta, **statistics)
    if state is None and options:
        raise _core.Error(f"{next(iter(options))} is an option of a norm with a state; none is accepted where gamma and beta alone are folded")
    result = _core.fold(variant, dict(options), arrays,
                        dict(groups=layer_groups, transposed=transposed, zero_padded=zero_padded, behind=state is None))
    return Folded(result, kind_of(W))


def recalibrate(
    batches: Iterable[ArrayLike],
    variant: str = "batch_norm",
    *,
    average: Literal["paper", "pooled"] = "paper",
    layout: Literal["nchw", "nhwc"] = "nchw",
    **options: Unpack[Options],
) -> State:
    """Population statistics of a stream of batches [N, C, ...], for evaluation in place of moving averages. One batch is held at a time.

    average: "paper": E[x] is the mean of batch means, Var[x] that of m / (m - 1) var, so that every batch counts once,
        whatever its size (Ioffe & Szegedy 2015). "pooled": the moments of all elements together, by Chan's merge.
    options: of the norm; running="biased" leaves the factor m / (m - 1) out, stat_batch=n makes each n samples a batch.
    """
    core = _core.Batches(variant, dict(options), average, layout)
    for batch in batches:
        array = given(x=batch)["x"]
        if array is None:
            raise TypeError("a batch is None; an array is needed")
        core.add(array)
    return State._of(core.state(), variant)
