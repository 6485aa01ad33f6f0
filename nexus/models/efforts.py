"""Levels of thinking, their budgets in tokens, and the nearest level that a model has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, get_args

from nexus.conversation.parts import Effort, Thinking
from nexus.dataclasses import dataclass

OFF: Final = "none"
LEVELS: Final[tuple[str, ...]] = (OFF, *get_args(Effort))
"""Every word that a vendor knows, least first."""

PLAIN: Final[tuple[str, ...]] = ("low", "medium", "high", "xhigh", "max")
"""Those of a server without ``none``, which may not know ``minimal`` either."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """``budgets`` are the tokens of an effort, None for as many as the model takes; a budget of at most ``low`` or
    ``medium`` tokens comes to that effort, any higher one to ``high``: it asks for so many tokens, not for the most."""

    budgets: Mapping[str, int | None]
    low: int
    medium: int

    def effort(self, thinking: Thinking) -> Effort | None:
        """The effort asked for, or what a budget comes to; None where the model decides."""
        if thinking.effort is not None or thinking.budget is None:
            return thinking.effort
        return self.of_budget(thinking.budget)

    def of_budget(self, budget: int) -> Effort:
        return "low" if budget <= self.low else "medium" if budget <= self.medium else "high"


COMMON: Final = Ladder(
    {"minimal": 1024, "low": 4096, "medium": 10240, "high": 20480, "xhigh": 24576, "max": 27648}, low=4095, medium=16383
)
"""Of every vendor without a row of its own: none but Google documents one. The largest budget and the default answer
fit into the 32000 tokens of the smallest Claude that thinks."""

GOOGLE: Final = Ladder(
    {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": None, "max": None}, low=1024, medium=8192
)
"""ai.google.dev/gemini-api/docs/openai, thinking: ``reasoning_effort`` against thinking levels and budgets. November
2026."""

LEAST_BUDGET: Final = 1024
"""platform.claude.com, extended thinking: the least ``budget_tokens``, which must be below ``max_tokens`` too."""


def claude_budget(effort: str, limit: int | None) -> int:
    """``budget_tokens`` of an effort, a high one for a word that is none, or half of ``limit`` where it does not fit
    below; 0 where that is less than Claude takes."""
    budget = COMMON.budgets.get(effort) or COMMON.budgets["high"] or 0
    if limit is not None and budget >= limit:
        budget = limit // 2
    return budget if budget >= LEAST_BUDGET else 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """``level`` is what the model is asked for, None where it decides; ``lost`` names what it cannot do as asked."""

    level: str | None
    lost: str | None = None


def nearest(wanted: str, offered: Sequence[str]) -> str:
    """The level of ``offered`` that is nearest, the lower one of two; who wants thinking never gets ``none``."""
    at = LEVELS.index(wanted)
    thinking = [level for level in offered if level != OFF or wanted == OFF]
    return min(thinking, key=lambda level: (abs(LEVELS.index(level) - at), LEVELS.index(level)))


def choose(thinking: Thinking, offered: Sequence[str]) -> Chosen:
    """What a model with the levels ``offered`` is asked for.

    Thinking that is off is the vendor's off, else its least level.
    """
    if not thinking.enabled:
        return Chosen(OFF) if OFF in offered else Chosen(nearest("minimal", offered), "thinking")
    if (asked := COMMON.effort(thinking)) is None:
        return Chosen(None)
    level = nearest(asked, offered)
    return Chosen(level, None if level == asked or thinking.effort is None else "thinking.effort")
