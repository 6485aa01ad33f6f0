"""Thinking: the neutral request as Gemini's ``thinkingConfig``.

Exactly one of level and budget is sent, by the model, from Google's own tables (thinking and effort in
ai.google.dev/gemini-api/docs/openai); a level that a model lacks becomes the next higher one it has. Unsupported
requests (turning off thinking that is always on, a budget beyond the model's range) are listed in ``dropped``.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Effort, Thinking
from nexus.models.efforts import GOOGLE
from nexus.models.gemini import LEVELS, BudgetRange, Gemini
from nexus.protocols.checks import Drops
from nexus.wire import Json

EFFORT_LEVELS: Mapping[Effort, str] = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}
_DYNAMIC = -1


def write_thinking(thinking: Thinking, gemini: Gemini, drops: Drops) -> dict[str, Json] | None:
    """``thinkingConfig``, or None for a model without it."""
    if gemini.levels:
        return _levelled(thinking, gemini.levels, drops)
    if gemini.budgets is not None:
        return _budgeted(thinking, gemini.budgets, drops)
    if thinking.enabled:
        drops.add("thinking")
    return None


def _levelled(thinking: Thinking, levels: tuple[str, ...], drops: Drops) -> dict[str, Json]:
    if not thinking.enabled:
        # No level turns thinking off altogether.
        drops.add("thinking")
        return {"thinkingLevel": _nearest("MINIMAL", levels)}
    config: dict[str, Json] = {"includeThoughts": thinking.visible}
    if thinking.effort is not None:
        wanted = EFFORT_LEVELS[thinking.effort]
        config["thinkingLevel"] = _nearest(wanted, levels)
        if config["thinkingLevel"] != wanted:
            drops.add("thinking.effort")
    elif thinking.budget is not None:
        config["thinkingLevel"] = _nearest(EFFORT_LEVELS[GOOGLE.of_budget(thinking.budget)], levels)
    return config


def _nearest(level: str, levels: tuple[str, ...]) -> str:
    """The next higher one that the model has, else its highest."""
    return next((higher for higher in LEVELS[LEVELS.index(level) :] if higher in levels), levels[-1])


def _budgeted(thinking: Thinking, limits: BudgetRange, drops: Drops) -> dict[str, Json]:
    if not thinking.enabled:
        if not limits.off:
            drops.add("thinking")
        return {"thinkingBudget": 0 if limits.off else limits.least}
    config: dict[str, Json] = {"includeThoughts": thinking.visible}
    if thinking.budget is not None:
        config["thinkingBudget"] = min(max(thinking.budget, limits.least), limits.most)
        if config["thinkingBudget"] != thinking.budget:
            drops.add("thinking.budget")
    elif thinking.effort is not None:
        wanted = GOOGLE.budgets[thinking.effort]
        config["thinkingBudget"] = limits.most if wanted is None else min(wanted, limits.most)
    else:
        config["thinkingBudget"] = _DYNAMIC
    return config
