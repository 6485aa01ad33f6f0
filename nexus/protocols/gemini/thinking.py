"""Thinking: the neutral wish as Gemini's ``thinkingConfig``.

Law: exactly one of level and budget is sent, by the model's quirks. Both tables below are Google's own (thinking and
effort in ai.google.dev/gemini-api/docs/openai); a level that a model lacks becomes the next higher one it has. What
cannot be honoured (turning off what is always on, a budget beyond the model's range) is named in ``dropped``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nexus.conversation.parts import Effort, Thinking
from nexus.wire import Json


@dataclass(frozen=True, slots=True)
class BudgetRange:
    """Tokens a budget may have; ``off`` tells whether 0 is allowed beside it."""

    least: int
    most: int
    off: bool


BUDGETS: Mapping[str, BudgetRange] = {
    "thinking_budget_flash": BudgetRange(1, 24576, off=True),
    "thinking_budget_lite": BudgetRange(512, 24576, off=True),
    "thinking_budget_pro": BudgetRange(128, 32768, off=False),
}
EFFORT_BUDGETS: Mapping[Effort, int | None] = {
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": None,
    "max": None,
}
"""None: as much as the model takes."""

EFFORT_LEVELS: Mapping[Effort, str] = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}
_DYNAMIC = -1


def write_thinking(thinking: Thinking, quirks: frozenset[str], dropped: list[str]) -> dict[str, Json] | None:
    """``thinkingConfig``, or None for a model that has no such thing."""
    if "thinking_level" in quirks:
        return _levelled(thinking, quirks, dropped)
    for quirk, limits in BUDGETS.items():
        if quirk in quirks:
            return _budgeted(thinking, limits, dropped)
    if thinking.enabled:
        dropped.append("thinking")
    return None


def _levelled(thinking: Thinking, quirks: frozenset[str], dropped: list[str]) -> dict[str, Json]:
    if not thinking.enabled:
        # No level turns thinking off altogether.
        dropped.append("thinking")
        return {"thinkingLevel": _nearest("MINIMAL", quirks)}
    config: dict[str, Json] = {"includeThoughts": thinking.visible}
    if thinking.effort is not None:
        wanted = EFFORT_LEVELS[thinking.effort]
        config["thinkingLevel"] = _nearest(wanted, quirks)
        if config["thinkingLevel"] != wanted:
            dropped.append("thinking.effort")
    elif thinking.budget is not None:
        config["thinkingLevel"] = _nearest(_level_of(thinking.budget), quirks)
    return config


def _level_of(budget: int) -> str:
    if budget <= 1024:
        return "LOW"
    return "MEDIUM" if budget <= 8192 else "HIGH"


def _nearest(level: str, quirks: frozenset[str]) -> str:
    if level == "MINIMAL" and "thinking_level_minimal" not in quirks:
        return "LOW"
    if (level == "MEDIUM" and "thinking_level_medium" not in quirks) or (
        level == "XHIGH" and "thinking_level_xhigh" not in quirks
    ):
        return "HIGH"
    return level


def _budgeted(thinking: Thinking, limits: BudgetRange, dropped: list[str]) -> dict[str, Json]:
    if not thinking.enabled:
        if not limits.off:
            dropped.append("thinking")
        return {"thinkingBudget": 0 if limits.off else limits.least}
    config: dict[str, Json] = {"includeThoughts": thinking.visible}
    if thinking.budget is not None:
        config["thinkingBudget"] = min(max(thinking.budget, limits.least), limits.most)
        if config["thinkingBudget"] != thinking.budget:
            dropped.append("thinking.budget")
    elif thinking.effort is not None:
        wanted = EFFORT_BUDGETS[thinking.effort]
        config["thinkingBudget"] = limits.most if wanted is None else min(wanted, limits.most)
    else:
        config["thinkingBudget"] = _DYNAMIC
    return config
