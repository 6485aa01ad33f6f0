"""What one rule writes down while it is judged, and the verdict that follows from it.

A verdict is computed, never set; a rule of which nothing could be judged is skipped, not passed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

LONGEST = 160


class Verdict(StrEnum):
    HOLDS = "holds"
    BROKEN = "broken"
    NOT_OFFERED = "not offered"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Problem:
    expected: str
    seen: str


@dataclass(slots=True)
class Findings:
    """``missing`` is what could not be judged, and why; ``absent`` what the gateway does not offer at all."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    absent: str = ""
    judged: int = 0

    def expect(self, holds: object, expected: str, seen: str) -> bool:
        """One check; returns whether it holds."""
        self.judged += 1
        if not holds:
            self.problems.append(Problem(expected, short(seen)))
        return bool(holds)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def needs(self, what: str, remedy: str = "--upstream") -> None:
        self.missing.append(f"{what}: needs {remedy}")

    @property
    def verdict(self) -> Verdict:
        if self.problems:
            return Verdict.BROKEN
        if self.absent:
            return Verdict.NOT_OFFERED
        return Verdict.HOLDS if self.judged else Verdict.SKIPPED


def short(text: str) -> str:
    """One line of printable characters, so that no gateway can play with the terminal."""
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
