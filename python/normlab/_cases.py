"""cases(): a function as a test of pytest's, one for each check. normlab_pytest.py, the plug-in, gives each its check."""
from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from normlab import _core
from normlab._check import check
from normlab._signature import known_names

ARGUMENT = "normlab_check"
"""What the plug-in parametrizes."""


def cases(variant: str, **options: Any) -> Callable[[Any], Callable[..., None]]:
    """A function, or a module, as a test of pytest: one test a check, `test_mine[accuracy]`.

        @normlab.cases("layer_norm", dtypes=["f32"])
        def test_mine(x, gamma, beta, eps):
            return my_layer_norm(x, gamma, beta, eps)

        test_mine = normlab.cases("layer_norm", dtypes=["f32"])(my_layer_norm)   # the same

    options: those of normlab.check(), of which `checks` says which tests there are. The tier is "smoke", unless it is said
        here or by pytest's option --normlab-tier.

    Arguments that normlab has nothing for are pytest's: fixtures, and what @pytest.mark.parametrize gives.
    """
    about = _core.variant(variant)
    unknown = set(options) - set(check.__kwdefaults__ or {})
    if unknown:
        raise TypeError(f"cases() has no option {sorted(unknown)[0]!r}; those of normlab.check() are accepted")
    if "cases" in options:
        raise TypeError("cases= says what runs and has no checks; normlab.check(..., cases=[...]) is accepted")
    options = {"tier": "smoke"} | options

    def decorate(function: Any) -> Callable[..., None]:
        given = _given_by_pytest(function, about["weights"])

        def test(*args: Any, **values: Any) -> None:
            asked = values.pop(ARGUMENT, None)
            judged = _bound(function, args, values) if args or values else function
            if asked is not None:
                asked.run(judged, variant, options)
                return
            report = check(judged, variant, **options)   # called as a function: all checks
            assert report, report

        if inspect.isfunction(function):
            functools.update_wrapper(test, function)
        else:
            test.__name__ = test.__qualname__ = getattr(function, "__name__", type(function).__name__)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        test.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in (*given, ARGUMENT)])  # type: ignore[attr-defined]
        test.normlab_function, test.normlab_checks = function, _checks(options)  # type: ignore[attr-defined]
        return test

    return decorate


def _checks(options: dict[str, Any]) -> list[str]:
    names = options.get("checks", ())
    names = [names] if isinstance(names, str) else list(names)
    return names or [name for name, _ in _core.checks()]


def _given_by_pytest(function: Any, weights: bool) -> list[str]:
    """The arguments that are none of a layer's; self of a method is one of them."""
    if not inspect.isfunction(function):
        return []
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    known = known_names(weights)
    rest = [p.name for p in parameters if p.name not in known or p.name == "self"]
    methods = rest[:1] if rest[:1] == ["self"] else []
    others = [p for p in parameters if p.name in rest and p.name != "self"]
    if others and not any(p.name in known_names(weights, "x") for p in parameters) and parameters[len(methods)] is others[0]:
        others = others[1:]   # the first one is x, whatever it is called
    return methods + [p.name for p in others if p.default is p.empty]


def _bound(function: Any, args: tuple[Any, ...], values: dict[str, Any]) -> Callable[..., Any]:
    """The function without the arguments that pytest has given. Its name has their values, as case strings repeat it."""

    def kernel(*more: Any, **named: Any) -> Any:
        return function(*args, *more, **named, **values)

    signature = inspect.signature(function)
    left = [p for p in list(signature.parameters.values())[len(args):] if p.name not in values]
    kernel.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
    plain = [f"{name}_{value}" for name, value in values.items() if isinstance(value, (int, float, str, bool, type(None)))]
    kernel.__name__ = "_".join([function.__name__, *plain])
    kernel.normlab_shown = function.__name__ if not values else \
        f"functools.partial({function.__name__}.normlab_function, {', '.join(f'{n}={v!r}' for n, v in values.items())})"  # type: ignore[attr-defined]
    return kernel
