"""Thinking levels, their token budgets, and the nearest level that a model has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, get_args

from nexus.conversation.parts import Effort, Thinking
from nexus.dataclasses import dataclass

OFF: Final = "none"
LEVELS: Final[tuple[str, ...]] = (OFF, *get_args(Effort))
"""Every vendor's levels, lowest first."""

PLAIN: Final[tuple[str, ...]] = ("low", "medium", "high", "xhigh", "max")
"""The levels of a server without ``none``, which may not know ``minimal`` either."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Converts between efforts and budgets.

    ``budgets`` are the tokens per effort, None for the model's maximum. A budget of at most ``low`` or ``medium``
    tokens becomes that effort, and any higher one ``high``, because it requests that many tokens rather than the
    maximum.
    """

    budgets: Mapping[str, int | None]
    low: int
    medium: int

    def effort(self, thinking: Thinking) -> Effort | None:
        """The requested effort, or the effort for a budget; None if the model decides."""
        if thinking.effort is not None or thinking.budget is None:
            return thinking.effort
        return self.of_budget(thinking.budget)

    def of_budget(self, budget: int) -> Effort:
        return "low" if budget <= self.low else "medium" if budget <= self.medium else "high"


COMMON: Final = Ladder(
    {"minimal": 1024, "low": 4096, "medium": 10240, "high": 20480, "xhigh": 24576, "max": 27648}, low=4095, medium=16383
)
"""For every vendor except Google, the only one that documents such a table. The largest budget and the default answer
fit into the 32000 tokens of the smallest Claude that thinks.
"""

GOOGLE: Final = Ladder(
    {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": None, "max": None}, low=1024, medium=8192
)
"""ai.google.dev/gemini-api/docs/openai, thinking: ``reasoning_effort`` compared to thinking levels and budgets.
November 2026.
"""

GOOGLE_LEVELS: Final[Mapping[str, Effort]] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
}
"""Efforts by the names of Google's thinking levels, which Google's clients send."""

LEAST_BUDGET: Final = 1024
"""platform.claude.com, extended thinking: the minimum ``budget_tokens``, which must also be below ``max_tokens``."""


def claude_budget(effort: str, limit: int | None) -> int:
    """``budget_tokens`` for an effort (the one for high if it is unknown), or half of ``limit`` if it is not below
    that; 0 if that is less than Claude accepts.
    """
    budget = COMMON.budgets.get(effort) or COMMON.budgets["high"] or 0
    if limit is not None and budget >= limit:
        budget = limit // 2
    return budget if budget >= LEAST_BUDGET else 0


def nearest(wanted: str, offered: Sequence[str]) -> str:
    """The nearest level of ``offered``, the lower one of two; never ``none`` unless wanted."""
    at = LEVELS.index(wanted)
    thinking = [level for level in offered if level != OFF or wanted == OFF]
    return min(thinking, key=lambda level: (abs(LEVELS.index(level) - at), LEVELS.index(level)))
