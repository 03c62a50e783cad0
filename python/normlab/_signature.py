"""Which of its arguments a function calls x, gamma, eps ..."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

# What normlab gives, and how functions call it. Among weights (weight_norm) w and weight are what is normalized.
NAMES: dict[str, tuple[str, ...]] = {
    "x": ("x", "input", "inputs", "X", "hidden_states", "data", "a"),
    "gamma": ("gamma", "weight", "scale", "g", "gain", "w"),
    "beta": ("beta", "bias", "b", "shift"),
    "eps": ("eps", "epsilon", "variance_epsilon"),
    "groups": ("groups", "num_groups", "G"),
    "training": ("training", "train", "is_training", "use_input_stats"),
    "running_mean": ("running_mean", "moving_mean"),
    "running_sigma": ("running_sigma", "running_std", "moving_sigma", "moving_std"),
    "running_var": ("running_var", "running_variance", "moving_var", "moving_variance"),
    "momentum": ("momentum",),
    "count": ("num_batches_tracked",),
    "residual": ("residual", "res"),
    "tau": ("tau", "threshold"),
    "mask": ("mask",),
    "r_max": ("r_max", "rmax"),
    "d_max": ("d_max", "dmax"),
    "normalized_shape": ("normalized_shape",),
    "dim": ("dim",),
    # of a backward
    "dy": ("dy", "grad_output", "grad_out", "dout", "gy", "grad", "dY", "g_out"),
    "ds": ("ds", "d_s", "grad_residual"),
    "s": ("s", "summed"),
    "y": ("y", "out", "output"),
    "cache": ("cache", "saved", "ctx"),
}
_OF_WEIGHTS: dict[str, tuple[str, ...]] = {"x": ("v", "w", "weight", "weights", "x"), "gamma": ("g", "gain", "gamma", "scale")}
_BACKWARD = ("dy", "ds", "s", "y", "cache")
# The cotangents of dx, dgamma and dbeta, of a double backward; of weights those of dv and dg.
_TWICE: dict[str, tuple[str, ...]] = {"v": ("v",), "u": ("u",), "w": ("w",)}
_TWICE_OF_WEIGHTS: dict[str, tuple[str, ...]] = {"v": ("p",), "u": ("q",)}
# Of a y of 8 bits.
_SCALE: dict[str, tuple[str, ...]] = {"scale": ("scale", "y_scale", "output_scale", "out_scale")}


def known_names(weights: bool, role: str | None = None) -> set[str]:
    """What functions may call that which normlab gives, or one of it."""
    known = {**NAMES, **_OF_WEIGHTS} if weights else NAMES
    return {name for r, names in known.items() for name in names if (r == role if role else r not in _BACKWARD)}


class Signature:
    """The parameters of a function, each with what normlab calls it."""

    def __init__(self, function: Callable[..., Any], weights: bool, backward: bool = False, *, twice: bool = False,
                 quantizes: bool = False) -> None:
        self.name: str = getattr(function, "__name__", type(function).__name__)
        what = "double backward" if twice else "backward" if backward else "function"
        if not callable(function):
            raise TypeError(f"{function!r} is no {what}: something that can be called is accepted, f(x, gamma, beta, eps) -> y")
        try:
            parameters = inspect.signature(function).parameters
        except (TypeError, ValueError):
            raise TypeError(f"{self.name} has no signature that Python can read; an adapter is accepted: "
                            f"lambda x, gamma, beta, eps: {self.name}(...)") from None
        known = {**NAMES, **_OF_WEIGHTS} if weights else NAMES
        if twice:
            known = (_TWICE_OF_WEIGHTS if weights else _TWICE) | known
            backward = True
        elif quantizes and not backward:
            known = _SCALE | known
        roles = [role for role in known if backward or role not in _BACKWARD]
        self._positional: list[str] = []
        self._keywords: dict[str, str] = {}
        self._optional: set[str] = set()   # with defaults of their own, for what is not given
        unknown: list[str] = []
        for parameter in parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            role = next((r for r in roles if parameter.name in known[r]), None)
            if role is None and not backward and not self.roles and not unknown and parameter.default is parameter.empty:
                role = "x"   # the first argument, whatever it is called
            if role is None or role in self.roles:
                if parameter.default is parameter.empty:
                    unknown.append(parameter.name)
            elif parameter.kind is parameter.POSITIONAL_ONLY:
                self._positional.append(role)
            else:
                self._keywords[parameter.name] = role
                if parameter.default is not parameter.empty:
                    self._optional.add(parameter.name)
        if unknown:
            raise TypeError(f"{self.name} has the argument {unknown[0]}, which normlab has nothing for; it gives "
                            f"{', '.join(roles)}, and an adapter is accepted: lambda x, gamma, beta, eps: {self.name}(...)")
        if "x" not in self.roles and not backward:
            raise TypeError(f"{self.name} takes no x; a function of x, gamma, beta, eps is accepted")

    @classmethod
    def of(cls, name: str, roles: Sequence[str]) -> Signature:
        """Of what takes its arguments by normlab's own names."""
        signature = cls.__new__(cls)
        signature.name, signature._positional, signature._optional = name, [], set()
        signature._keywords = {role: role for role in roles}
        return signature

    @property
    def roles(self) -> list[str]:
        return [*self._positional, *self._keywords.values()]

    def takes(self, role: str) -> bool:
        return role in self.roles

    def optional(self, role: str) -> bool:
        """It has a default of its own, for where nothing is given."""
        return any(name in self._optional for name, of in self._keywords.items() if of == role)

    def call(self, function: Callable[..., Any], given: dict[str, Any]) -> Any:
        return function(*(given.get(role) for role in self._positional),
                        **{name: given.get(role) for name, role in self._keywords.items()
                           if role in given or name not in self._optional})
