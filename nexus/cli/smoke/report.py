"""The report of a run as a table or JSON, and whether the run passed.

Every text from the network is reduced to one line of printable characters. This module prints nothing, and expects
rows without secrets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from nexus.accounting.tabulate import aligned
from nexus.cli.smoke.capabilities import NO
from nexus.cli.smoke.run import FAILED, NOT_SERVED, OK, ResultRow
from nexus.dataclasses import asdict, dataclass

COLUMNS = ("MODEL", "PROTOCOL", "MODE", "RESULT", "FIRST", "TOTAL", "IN", "OUT", "ROUTE")
NUMBERS = ("FIRST", "TOTAL", "IN", "OUT")
LONGEST = 60


@dataclass(frozen=True, slots=True)
class SmokeReport:
    """``needed`` are the capabilities requested by name: if one is missing the run has failed."""

    rows: Sequence[ResultRow]
    capabilities: Sequence[str]
    needed: Sequence[str]
    seconds: float
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Whether something was tested and all of it passed."""
        return bool(self.count(OK)) and not self.count(FAILED) and not self.lacking and not self.interrupted

    @property
    def lacking(self) -> int:
        return sum(row.capabilities[name].result == NO for row in self.rows for name in self.needed)

    def count(self, result: str) -> int:
        return sum(row.result == result for row in self.rows)

    def text(self) -> str:
        head = (*COLUMNS, *(name.upper() for name in self.capabilities))
        table = [head, *(self._cells(row) for row in self.rows)]
        return "\n".join([*aligned(table, NUMBERS), *self._notes(), self._summary(), ""])

    def json(self) -> str:
        counts = {"ok": self.count(OK), "failed": self.count(FAILED), "not_served": self.count(NOT_SERVED)}
        whole = {
            "passed": self.passed,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "counts": counts | {"lacking": self.lacking},
            "rows": [asdict(row) for row in self.rows],
        }
        return json.dumps(whole, indent=2) + "\n"

    def _cells(self, row: ResultRow) -> tuple[str, ...]:
        result = f"FAILED {one_line(row.error)}" if row.result == FAILED else row.result
        return (
            one_line(row.model),
            row.protocol,
            row.mode,
            result if len(result) <= LONGEST else f"{result[: LONGEST - 3]}...",
            _seconds(row.first_token),
            _seconds(row.total),
            _number(row.tokens_in),
            _number(row.tokens_out),
            one_line(row.route) or "-",
            *(row.capabilities[name].result for name in self.capabilities),
        )

    def _notes(self) -> Iterator[str]:
        """Errors that do not fit into the table; the same error of several rows is listed once."""
        places: dict[tuple[str, str], list[str]] = {}
        for row in self.rows:
            place = f"{row.protocol} {row.mode}"
            if row.result == FAILED and len(f"FAILED {one_line(row.error)}") > LONGEST:
                places.setdefault((row.model, one_line(row.error)), []).append(place)
            for name, outcome in row.capabilities.items():
                if outcome.result == NO:
                    places.setdefault((row.model, f"{name}: {one_line(outcome.error)}"), []).append(place)
        yield ""
        for (model, note), found in places.items():
            yield f"{one_line(model)} ({', '.join(found)}) {note}"
        if places:
            yield ""

    def _summary(self) -> str:
        parts = [f"{self.count(OK)} ok", f"{self.count(FAILED)} failed"]
        if not_served := self.count(NOT_SERVED):
            parts.append(f"{not_served} not served through that protocol")
        if self.needed:
            parts.append(f"{self.lacking} requested capabilities missing")
        if self.interrupted:
            parts.append("interrupted")
        return f"{', '.join(parts)} in {self.seconds:.1f}s: {'passed' if self.passed else 'FAILED'}"


def one_line(text: str) -> str:
    """The text as one printable line, so that no vendor's error can send terminal escape codes."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}s"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
