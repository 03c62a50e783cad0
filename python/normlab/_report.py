"""What check() returns."""
from __future__ import annotations

import fcntl
import html
import json
import os
from typing import TYPE_CHECKING, Any, TypedDict

from normlab import _core

if TYPE_CHECKING:
    import pandas


class Change(TypedDict):
    """A finding that is another than it was."""

    case: str
    check: str
    quantity: str
    label: str
    verdict: str
    error: float
    error_then: float
    bound: float
    where: str
    rerun: str


class Changes:
    """A report against an earlier one. True if nothing fails that did not, and no error has grown; str() lists what has changed.

    failing: what held and does not now. holding: what did not hold and does now. worse: errors that grew to more than twice
        the old one and a rounding, and whose verdict is the old one, or was a failure then. compared, better: how many.
    """

    def __init__(self, core: dict[str, Any]) -> None:
        self.failing: list[Change] = core["failing"]
        self.holding: list[Change] = core["holding"]
        self.worse: list[Change] = core["worse"]
        self.compared: int = core["compared"]
        self.better: int = core["better"]
        self._text: str = core["text"]

    def __bool__(self) -> bool:
        return not self.failing and not self.worse

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<normlab.Changes: {len(self.failing)} failing, {len(self.worse)} worse, {len(self.holding)} holding, {self.compared} compared>"


class Report:
    """The verdict. True if every finding held, and there was one; str() is the diagnosis, as `normlab verify` prints it."""

    def __init__(self, core: _core.Report, not_judged: list[str], tracebacks: list[str], shown: int = 0,
                 allow_unresolved: bool = False) -> None:
        self._core, self._allow_unresolved = core, allow_unresolved
        self._shown = shown   # so many of not_judged are part of str()
        self._json: dict[str, Any] | None = None
        self.not_judged = not_judged
        """What this check says nothing of, a line each."""
        self.tracebacks = tracebacks
        """Of exceptions that the function raised, the first of each kind."""

    @property
    def held(self) -> int:
        return self._core.held

    @property
    def failed(self) -> int:
        return self._core.failed

    @property
    def unresolved(self) -> int:
        return self._core.unresolved

    @property
    def accepted(self) -> int:
        """Known findings: they do not hold, and check(accept=FILE) lets them pass."""
        return self._core.accepted

    @property
    def stale(self) -> list[str]:
        """Of the known findings those that hold now, a sentence each."""
        return self._core.stale

    @property
    def skipped(self) -> int:
        return self._core.skipped

    def __bool__(self) -> bool:
        return self.failed == 0 and (self._allow_unresolved or self.unresolved == 0) and self.held + self.accepted > 0

    def __str__(self) -> str:
        lines = [self._core.text(), *self.not_judged[: self._shown]]
        if self.tracebacks:
            lines += ["", "the first exception:", self.tracebacks[0].rstrip()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<normlab.Report: {self.held} held, {self.failed} failed, {self.unresolved} unresolved, {self.skipped} skipped>"

    def _document(self) -> dict[str, Any]:
        if self._json is None:
            self._json = json.loads(self._core.json())
        return self._json

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Each finding as a record: case, check, quantity, error, bound, verdict, where, cause, rerun ..."""
        findings: list[dict[str, Any]] = self._document()["findings"]
        return findings

    def to_dataframe(self) -> pandas.DataFrame:
        """The findings as a table of the package pandas, a row each; numbers that JSON has as text ("inf", "nan") are numbers here."""
        try:
            import pandas
        except ImportError:
            raise TypeError("to_dataframe() needs the package pandas, which is not installed; report.findings is the same as a list") from None
        table: pandas.DataFrame = pandas.DataFrame.from_records(self.findings)
        for column in ("error", "bound", "ratio"):
            if column in table:
                table[column] = pandas.to_numeric(table[column])
        return table

    def compare(self, path: str | os.PathLike[str]) -> Changes:
        """Against a report that `save("old.json")`, or `normlab verify --json`, wrote before: what fails now and did not, what holds
        now and did not, and which errors have grown. Findings are the same if case and quantity are. The rule is that of
        `normlab verify --baseline`. Raises Error where the file is none, or has none of these cases."""
        return Changes(self._core.compare(os.fspath(path)))

    @property
    def diagnosis(self) -> list[dict[str, Any]]:
        """What fails, sorted by its cause: each with the number of findings, an example and the line that reruns it."""
        diagnosis: list[dict[str, Any]] = self._document()["diagnosis"]
        return diagnosis

    @property
    def accuracy_class(self) -> list[dict[str, Any]]:
        """How accurate the function is, beside whether it holds what it promises."""
        classes: list[dict[str, Any]] = self._document()["accuracy_class"]
        return classes

    @property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = self._document()["summary"]
        return summary

    def tables(self) -> str:
        """The tables that `normlab verify` prints: accuracy class, one row a check, what was skipped."""
        return self._core.tables()

    def json(self) -> str:
        """The same document as `normlab verify --json` writes."""
        return self._core.json()

    def html(self) -> str:
        """One self-contained page for a browser."""
        return self._core.html()

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{html.escape(self.html())}" width="100%" height="600" style="border:1px solid #ccc"></iframe>'

    def accept(self, path: str | os.PathLike[str]) -> None:
        """Brings a file of known findings up to date with this report, for check(accept=FILE): what does not hold is known then.
        Comments stay, and the lines of cases that are none of this report. The file is made if it is not there."""
        path = os.path.abspath(path)
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)   # of several processes that test
            text = self._core.accept_text(path)
            with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(file.name, path)
        finally:
            os.close(folder)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the report: as a page where the name ends in .html, otherwise as JSON."""
        text = self.html() if os.fspath(path).endswith(".html") else self.json()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
