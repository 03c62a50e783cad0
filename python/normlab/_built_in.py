"""What check() is given in the place of a function: something that has channels, eps and the like built in."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from normlab._signature import Signature


class BuiltIn:
    """A module, a layer or an object, as a function of x and of what takes the place of its parameters."""

    def __init__(self, name: str, call: Callable[..., Any], roles: Sequence[str], *, variant: str | None = None,
                 framework: str | None = None, device: str | None = None, channels: int | None = None, groups: int | None = None,
                 options: dict[str, Any] | None = None, layout: str = "nchw", dtypes: Sequence[str] | None = None,
                 parameters_follow: bool = False, casts: bool = False, backward: Callable[..., Any] | None = None) -> None:
        self.__name__, self._call = name, call
        self.signature = Signature.of(name, roles)
        self.variant = variant   # None: it does not say
        self.framework, self.device = framework, device
        self.channels, self.groups = channels, groups
        self.options = options or {}
        self.layout = layout
        self.dtypes = tuple(dtypes) if dtypes else None   # of the data it is made for; None: any
        self.parameters_follow = parameters_follow   # those of 16-bit data are of 16 bits
        self.casts = casts   # what it is given, to the type that it computes in
        self.backward = backward
        self.backward_signature = None if backward is None else Signature.of(f"{name}.backward", ["dy", "y"])

    def __call__(self, **given: Any) -> Any:
        return self._call(**given)
