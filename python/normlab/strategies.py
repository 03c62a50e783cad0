"""Cases for hypothesis.

    @given(normlab.strategies.cases("layer_norm", dtypes=["f32"]))
    def test_mine(case):
        report = normlab.check(my_layer_norm, "layer_norm", cases=[case])
        assert report, report
"""
from __future__ import annotations

import sys
from typing import Any

_AS_DRAWN = (False,) + 15 * (True,)   # hypothesis makes it the first where it can
_SIZES = 128   # mostly larger than what is drawn, which it leaves as it is then


def cases(variant: str, function: Any = None, **options: Any) -> Any:
    """Strings of cases, drawn as `normlab soak` draws them. Smaller ones have default settings and a small shape.

    function, and options: those of normlab.check(). They say what a case may ask for; without a function, what one of x, gamma,
        beta and eps may be asked (and groups, in group_norm).

    In a test of hypothesis's, check(..., cases=[case]) rejects a case at which nothing could be judged, because the function
    declines it or has no gradients. It does not look for a smaller case: hypothesis does.
    """
    try:
        from hypothesis import strategies as st
    except ImportError:
        raise TypeError("normlab.strategies needs the package hypothesis, which is not installed") from None
    from normlab import _core
    from normlab._check import check
    if function is None:
        function = _by_group if _core.variant(variant)["groups"] and options.get("groups") is None else _any
    drawing = check(function, variant, _drawing=True, **options)

    flag = st.sampled_from(_AS_DRAWN)

    @st.composite
    def drawn(draw: Any) -> str:
        case: str = drawing.case(draw(st.integers(0, 2**64 - 1)))
        for i in range(3):
            shape = drawing.shape(case)
            shape[i] = min(shape[i], draw(st.integers(1, _SIZES)))
            case = drawing.with_shape(case, *shape)
        for kind in range(drawing.settings):   # last, since how many choices these are depends on the case
            simpler = drawing.simplified(case, kind)
            if simpler != case and not draw(flag):
                case = simpler
        return case

    return drawn()


def in_a_test() -> bool:
    """Whether hypothesis runs one."""
    return "hypothesis" in sys.modules and bool(sys.modules["hypothesis"].currently_in_test_context())


def reject() -> None:
    sys.modules["hypothesis"].reject()


def _any(x: Any, gamma: Any, beta: Any, eps: float) -> None: ...
def _by_group(x: Any, groups: int, gamma: Any, beta: Any, eps: float) -> None: ...
