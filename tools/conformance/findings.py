"""The findings of one rule, and its verdict.

The verdict is computed from the findings; a rule without a single check is skipped, not passed.
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
    """``missing`` lists what could not be checked, and why; ``absent`` says that the gateway lacks the feature."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    absent: str = ""
    judged: int = 0

    def expect(self, holds: object, expected: str, seen: str) -> bool:
        """Records one check; returns whether it holds."""
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
    """The text as one short line of printable characters, so that no gateway can send terminal escapes."""
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
