"""The plug-in for pytest: tests that normlab.cases() makes get their check, their tier and their known findings.

It stands beside the package, so that a run of pytest in which nothing is of normlab does not import it, and NumPy with it.
"""
from __future__ import annotations

import warnings
from typing import Any

import pytest

ARGUMENT = "normlab_check"   # normlab._cases has the same


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("normlab", "normalization layers, tested by normlab.cases()")
    group.addoption("--normlab-tier", choices=("smoke", "ci", "full"),
                    help="how many cases a test runs; without it what normlab.cases() was given, or smoke")
    group.addoption("--normlab-accept", metavar="FILE", help="known findings, a line each: they pass until they change (xfail)")
    group.addoption("--normlab-accept-write", metavar="FILE",
                    help="bring such a file up to date: what does not hold in this run is known then")


def pytest_generate_tests(metafunc: Any) -> None:
    checks = getattr(metafunc.function, "normlab_checks", None)
    if checks is not None:
        metafunc.parametrize(ARGUMENT, checks, indirect=True)


@pytest.fixture
def normlab_check(request: Any) -> Any:
    """The check of a test that normlab.cases() made."""
    return _Asked(request.param, request.config)


class _Asked:
    def __init__(self, name: str, config: Any) -> None:
        self._name, self._option = name, config.getoption

    def run(self, function: Any, variant: str, options: dict[str, Any]) -> None:
        import normlab
        from normlab import _core
        asked = options | {"checks": self._name, "progress": False}
        if tier := self._option("--normlab-tier"):
            asked["tier"] = tier
        if accept := self._option("--normlab-accept"):
            asked["accept"] = accept
        report, nothing, wrong = None, "", ""
        try:
            report = normlab.check(function, variant, **asked)
        except _core.Nothing as error:
            nothing = str(error)
        except (TypeError, ValueError) as error:   # of the question, not of the function, whose exceptions are findings
            wrong = f"{type(error).__name__}: {error}"
        if report is None:   # not within an except, which pytest would show
            pytest.fail(wrong, pytrace=False) if wrong else pytest.skip(nothing)
        if write := self._option("--normlab-accept-write"):
            report.accept(write)
        for line in report.stale:
            warnings.warn(f"normlab: stale: {line}", stacklevel=1)
        if not report and (report.failed or report.unresolved):
            statement = next(text for name, text in _core.checks() if name == self._name)
            pytest.fail(f"{self._name}: {statement}\n\n{report}", pytrace=False)
        if report.accepted:
            pytest.xfail(f"{report.accepted} known finding{'s' if report.accepted > 1 else ''} accepted by {asked['accept']}")
        if not report.held and not report.unresolved:
            pytest.skip("nothing of what the function gives was judged")
