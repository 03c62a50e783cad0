"""check(): what is asked for, in the words of normlab._core."""
from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from normlab import _core, _known, strategies
from normlab._arrays import framework_of
from normlab._built_in import BuiltIn
from normlab._function import Judged
from normlab._isolated import Isolated
from normlab._report import Report
from normlab._signature import Signature


def check(
    function: Any,
    variant: str,
    *,
    backward: Callable[..., Any] | Literal[False] | None = None,
    double_backward: Callable[..., Any] | Literal[False] | None = None,
    dtypes: str | Sequence[str] = ("f64", "f32"),
    layouts: str | Sequence[str] = ("nchw",),
    tier: str = "ci",
    checks: str | Sequence[str] = (),
    cases: str | Sequence[str] = (),
    seed: int = 1,
    affine: Literal["given"] | None = "given",
    framework: Literal["numpy", "torch", "jax"] | None = None,
    device: str | None = None,
    accept_nan: bool = True,
    flushes_subnormals: bool = False,
    deterministic: bool = True,
    allow_unresolved: bool = False,
    accept: str | os.PathLike[str] | None = None,
    isolate: bool | Literal["fork", "spawn"] = False,
    timeout: float = 10,
    accumulation: str = "sequential",
    strides: bool = True,
    convention: str | None = None,
    eps: float | None = None,
    momentum: float | Literal["none"] | None = None,
    groups: int | None = None,
    running: str | None = None,
    gamma_offset: int = 0,
    activation: str | None = None,
    residual: Literal["stored", "wide"] | None = None,
    residual_dtype: str | None = None,
    param_dtype: str | None = None,
    output: str | None = None,
    scale: str | None = None,
    scale_power_of_two: bool = False,
    scale_inverse: bool = False,
    mask: str | bool | None = None,
    cast: str | None = None,
    affine_set: str | None = None,
    denominator: str | None = None,
    divisor: str | None = None,
    part: float | None = None,
    channels: int | None = None,
    progress: Callable[[int, int], None] | bool | None = None,
    _drawing: bool = False,
) -> Report:
    """Runs normlab's checks on a function, in this process.

    function: f(x, gamma, beta, eps) -> y of arrays of NumPy, torch or JAX, a module, or an object whose attributes are its
        parameters. Its arguments are known by their names (x or input, gamma or weight, beta or bias, eps, groups, residual,
        running_mean, running_var or running_sigma, training, momentum, r_max, d_max, tau, mask, scale, normalized_shape), and
        it need not have all of them. x has the shape [N, C] in layer_norm,
        rms_norm and l2_norm, and [N, C, S] in others ([N, S, C] with layouts="nhwc").
    variant: which layer it is meant to be, "layer_norm" (normlab.variants() lists them).
    backward: g(dy, x, gamma, ...) -> dx, dgamma, dbeta. A function of torch or JAX needs none: autograd has its gradients.
        False: the forward alone is judged, as that of a NumPy function without a backward is.
    double_backward: h(v, u, w, dy, x, gamma, ...) -> ddx, ddy, ddgamma, the gradients of <dx, v> + <dgamma, u> + <dbeta, w>.
        A function of torch needs none. False: it is not judged.
    dtypes: of "f64", "f32", "f16" and "bf16".   layouts: "nchw", "nhwc".
    tier: "smoke", "ci" or "full", how many cases run.   checks: by name, all if empty.   cases: exactly these, as a
        failure printed them.   seed: of the numbers.
    affine: None: gamma and beta are None in all calls.
    device: where arrays of torch and of JAX lie.
    accept_nan: NaN holds where variance and eps are 0 (a constant input without eps), for which normlab has x_hat = 0.
    flushes_subnormals: numbers below the smallest normal one may be taken for 0, as XLA does on CPUs.
    deterministic: False: results need not have the same bits beside other samples or in another order, but hold their bounds.
    allow_unresolved: the report is true also where something could not be decided.
    accept: a file of known findings, which pass until they change. Report.accept() writes one.
    isolate: the function runs in a child process, whose crash, exit or endless loop is a finding. timeout: the seconds that
        one call may take there. True: a fork, where framework and device allow one; "fork", "spawn": that.
    accumulation: how the function forms sums, "sequential", "tree", "f64", "kappa-free" or "pivot". Bounds follow.
    strides: False: all arrays are contiguous, dy too, which PyTorch expands behind a sum.
    convention, eps, momentum, groups, running, gamma_offset, activation, residual, residual_dtype, param_dtype, output, scale,
        scale_power_of_two, scale_inverse, cast, affine_set, denominator, divisor, part: what the function has built in; they
        mean what the options of `normlab export` mean.
    mask: True: the function has an argument mask, [N, S] of bool, False where a position is left out. A word of `normlab
        export --mask`: masks of that pattern alone.
    channels: how many the function has built in; all inputs have so many.
    progress: called with the number of cases that ran, and of all; True and False: a line on standard error, none.

    Exceptions of the function are findings. Raises normlab.Error (a ValueError) and TypeError where the question is wrong.
    """
    if not isinstance(variant, str):
        raise TypeError(f"variant is {variant!r}; the name of a layer is accepted, check(function, 'layer_norm')")
    function = getattr(function, "normlab_function", function)   # of a test that cases() made
    if isinstance(function, type):
        raise TypeError(f"{function.__name__} is a class; an instance of it is accepted, check({function.__name__}(...), {variant!r})")
    about = _core.variant(variant)
    options: dict[str, Any] = dict(convention=convention, eps=eps, momentum=momentum, running=running, gamma_offset=gamma_offset,
                                   activation=activation, residual=residual, residual_dtype=residual_dtype,
                                   param_dtype=param_dtype, output=output, scale=scale, scale_power_of_two=scale_power_of_two,
                                   scale_inverse=scale_inverse, mask=mask, cast=cast,
                                   affine_set=affine_set, denominator=denominator, divisor=divisor, part=part)
    said = _said(options | dict(backward=backward, double_backward=double_backward, strides=strides, affine=affine, framework=framework,
                                device=device, groups=groups, channels=channels, accept_nan=accept_nan, flushes_subnormals=flushes_subnormals,
                                deterministic=deterministic, accumulation=accumulation, isolate=isolate), check)
    if affine not in ("given", None):
        raise ValueError(f"affine={affine!r}; 'given' and None are accepted")
    if mask is True or mask is False:
        options["mask"] = "scattered" if mask else None   # where a case has none of its own
    quantizes = output in ("e4m3", "e5m2")
    for key, wanted in (("scale", scale is not None), ("scale_power_of_two", scale_power_of_two), ("scale_inverse", scale_inverse)):
        if wanted and not quantizes:
            raise ValueError(f"{key} is that of a y of 8 bits; output='e4m3' and output='e5m2' are accepted with it")
    shown = getattr(function, "normlab_shown", None) or getattr(function, "__name__", "f").replace("<lambda>", "f")
    backward_signature = double_signature = None
    built_in = _known.in_place_of(function, variant)
    if built_in is not None:
        shown = "module"
        function, signature = built_in, built_in.signature
        framework, device = framework or built_in.framework, device or built_in.device
        channels, groups = built_in.channels, built_in.groups if groups is None else groups
        for key, value in built_in.options.items():
            options[key] = value if options[key] is None else options[key]
        if backward is None and built_in.backward is not None:
            backward, backward_signature = built_in.backward, built_in.backward_signature
    else:
        signature = Signature(function, about["weights"], quantizes=quantizes)
    kind = framework_of(function, framework, device)
    if backward and backward_signature is None:
        backward_signature = Signature(backward, about["weights"], backward=True)
        if not backward_signature.takes("dy"):
            raise TypeError(f"{backward_signature.name} takes no dy; a backward of dy, x, gamma, ... is accepted")
    if double_backward:
        double_signature = Signature(double_backward, about["weights"], twice=True)
        if not (double_signature.takes("dy") and double_signature.takes("v")):
            raise TypeError(f"{double_signature.name} takes no v or no dy; a double backward of v, u, w, dy, x, gamma, ... "
                            "is accepted")
    dtypes, layouts = _words("dtypes", dtypes), _words("layouts", layouts)
    for dtype in dtypes + [d for d in (param_dtype, residual_dtype) if d]:
        kind.require(dtype)
    adds = residual not in (None, "none")
    modes = _built_in(signature, about, options, groups, adds)
    judged = Judged(function, signature, kind, backward or None, backward_signature, adds, double_backward or None,
                    double_signature, quantizes)
    has_gradients = backward is not False and judged.has_gradients
    twice = has_gradients and double_backward is not False and judged.differentiates_twice
    about_function = dict(
        name=_registered(signature.name), shown=shown, said=said, variant=variant, gamma=signature.takes("gamma"),
        beta=signature.takes("beta"), absent=affine is None, backward=has_gradients, accumulation=accumulation, accept_nan=accept_nan,
        channels=channels, groups=groups, counts=signature.takes("count"), flushes_subnormals=flushes_subnormals,
        deterministic=deterministic, twice=twice, strided=strides and getattr(kind, "strided", False), any_mask=mask is True)
    options |= dict(as_cases_say=bool(cases))
    chosen = dict(tier=tier, seed=seed, dtypes=dtypes, layouts=layouts, modes=modes, checks=_words("checks", checks),
                  cases=_words("cases", cases), accept=None if accept is None else os.fspath(accept))
    if _drawing:   # of cases that could be asked
        return _core.Drawing(about_function, options, chosen)  # type: ignore[return-value]
    by_hypothesis = bool(cases) and strategies.in_a_test()
    call = Isolated(judged, isolate, timeout) if isolate else judged
    try:
        core = _core.check(call, about_function, options, chosen | dict(shrink=not by_hypothesis), _progress(progress))
    except _core.Nothing:
        if by_hypothesis:
            strategies.reject()
        raise
    finally:
        if isinstance(call, Isolated):
            call.close()
    if by_hypothesis and core.held + core.failed + core.unresolved + core.accepted == 0:
        strategies.reject()
    not_judged = []
    if not has_gradients:
        why = "backward=False" if backward is False else (
            f"{signature.name} has no backward{' for a y of 8 bits' * quantizes}; backward=g, g(dy, x, gamma, ...) -> dx, dgamma, dbeta, "
            "is accepted")
        not_judged.append(f"not judged: dx, dgamma, dbeta: {why}")
    not_judged += [f"not judged: {what}: {answer}" for what, answer in judged.declined.items()]
    return Report(core, not_judged + core.left_out, judged.tracebacks, len(not_judged), allow_unresolved)


def check_module(module: Any, **options: Any) -> Report:
    """check() of a module whose variant and options are known: of PyTorch, timm, Keras 3 and flax.

    options: those of check(), which go before what the module says. dtypes are those of its parameters, layouts that of the module.
    """
    built_in = _known.find(module)
    if built_in is None or built_in.variant is None:
        raise TypeError(f"{type(module).__name__} is not known. {_known.known()} are; of others the variant has to be said: "
                        'check(module, "layer_norm")')
    dtypes = _words("dtypes", options.pop("dtypes", built_in.dtypes or ("f64", "f32")))
    _require_types(built_in, dtypes)
    options = {"layouts": built_in.layout} | options
    if built_in.parameters_follow and set(dtypes) <= {"bf16", "f16"} and len(dtypes) == 1:
        options.setdefault("param_dtype", dtypes[0])
    return check(module, built_in.variant, dtypes=dtypes, **options)


def _require_types(built_in: BuiltIn, dtypes: list[str]) -> None:
    """A module that casts, or whose parameters are of 16 bits, is of one type."""
    of = built_in.dtypes
    if built_in.casts and of is not None and not set(dtypes) <= set(of):
        raise TypeError(f"{built_in.__name__} computes in {of[0]}, whatever it is given; dtypes={of[0]!r} is accepted")


def _words(what: str, value: str | Sequence[str]) -> list[str]:
    words = [value] if isinstance(value, str) else list(value)
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"{what} has {word!r}; words are accepted")
    if what == "dtypes" and not words:
        raise ValueError("dtypes is empty; of 'f64', 'f32', 'f16' and 'bf16' one or more are accepted")
    return words


def _built_in(signature: Signature, about: dict[str, Any], options: dict[str, Any], groups: int | None, adds: bool) -> list[str]:
    """What the function takes and what it has built in must say all that its layer needs. Returns the modes."""
    name, takes = signature.name, signature.takes
    if not takes("eps") and options["eps"] is None and options["convention"] is None:
        raise TypeError(f"{name} takes no eps; the one that it has built in is needed: eps={about['eps']:g}")
    if about["groups"] and not takes("groups") and groups is None:
        raise TypeError(f"{name} takes no groups; how many it has built in is needed: groups=8")
    if adds and not takes("residual"):
        raise TypeError(f"{name} takes no residual; f(x, residual, gamma, eps) -> y, s is accepted with residual='{options['residual']}'")
    if takes("residual") and not adds:
        raise TypeError(f"{name} takes a residual; residual='stored' says that it normalizes s = x + residual and gives back y, s")
    for argument, keyword, wanted in (("tau", "activation='threshold'", options["activation"] == "threshold"),
                                      ("mask", "mask=True", options["mask"] not in (None, "none")),
                                      ("scale", f"output='{options['output']}'", options["output"] in ("e4m3", "e5m2")
                                       and options["scale"] in (None, "given"))):
        if wanted and not takes(argument):
            raise TypeError(f"{name} takes no {argument}; a function with an argument {argument} is accepted with {keyword}")
        if takes(argument) and not wanted and not signature.optional(argument):
            raise TypeError(f"{name} takes {argument}, which {keyword} gives it")
    spread = "running_sigma" if takes("running_sigma") else "running_var"
    keeps = takes("running_mean") and takes(spread)
    if about["renorm"]:
        for argument in ("running_mean", spread, "r_max", "d_max"):
            if not takes(argument):
                raise TypeError(f"{name} takes no {argument}; f(x, gamma, beta, running_mean, running_sigma, training, momentum, "
                                f"eps, r_max, d_max) -> y is accepted for {about['name']}")
        if options["running"] is None and spread == "running_var":
            raise TypeError(f"{name} takes running_var; running='unbiased' and running='biased' say what it keeps")
    if about["may_keep_state"] and options["running"] is None:   # said, so that no case asks for another
        options["running"] = "none" if not keeps else "sigma" if spread == "running_sigma" else about["running"]
    if options["running"] in (None, "none"):
        return ["train"]
    spread = "running_sigma" if options["running"] == "sigma" else "running_var"
    if not (takes("running_mean") and takes(spread)):
        raise TypeError(f"{name} takes no running_mean and {spread}; running='none' is accepted")
    if not takes("training"):
        raise TypeError(f"{name} takes running statistics and no training, which says whether they move or are used; an adapter is accepted")
    if options["momentum"] == "none" and not takes("count"):
        raise TypeError(f"{name} has no num_batches_tracked, which a cumulative average needs; a momentum of a number is accepted")
    if not takes("momentum") and options["momentum"] is None and options["convention"] is None:
        raise TypeError(f"{name} takes no momentum; the one that it has built in is needed: momentum=0.1")
    return ["train", "eval"]


def _registered(name: str) -> str:
    """The implementation's name in case strings: lower case letters, digits and _, and none of normlab's own."""
    word = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_") or "function"
    return word + "_py" if word in ("reference", "cpu", "cuda", "recorder", "script", "onednn", "libtorch", "cudnn", "lambda") else word


def _said(given: dict[str, Any], function: Callable[..., Any]) -> str:
    """The options that were given, as a rerun line repeats them."""
    defaults = function.__kwdefaults__ or {}
    text = ""
    for key, value in given.items():
        if value != defaults.get(key):
            text += f", {key}={getattr(value, '__name__', None) or repr(value)}"
    return text


def _progress(wanted: Callable[[int, int], None] | bool | None) -> Callable[[int, int], None] | None:
    if callable(wanted):
        return wanted
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        return None
    last = [time.monotonic()]

    def show(done: int, total: int) -> None:
        now = time.monotonic()
        if done == total:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        elif now - last[0] > 0.2:
            last[0] = now
            print(f"\rnormlab: {done}/{total}\033[K", end="", file=sys.stderr, flush=True)

    return show
