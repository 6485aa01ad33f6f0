"""The effort of thinking, in each model family's own fields.

Sources: the Bedrock user guide on Nova reasoning and gpt-oss.
"""

from __future__ import annotations

from dataclasses import field

from nexus.conversation.parts import Request, Thinking
from nexus.dataclasses import dataclass
from nexus.protocols.converse.draft import Draft
from nexus.protocols.dispositions import level_of
from nexus.wire import Json


@dataclass(frozen=True, slots=True)
class ThinkingPlan:
    """``unlimited``: Nova thinks at an effort at which it accepts no limits and no sampling."""

    extra: dict[str, Json] = field(default_factory=dict)
    unlimited: bool = False


def plan_thinking(request: Request, draft: Draft) -> ThinkingPlan:
    thinking = request.thinking
    if thinking is None:
        return ThinkingPlan()
    match draft.model.thinking:
        case "nova":
            return _nova(thinking, draft)
        case "effort" | "nested":
            return _levelled(thinking, draft)
        case None:
            draft.drops.add("thinking")
            return ThinkingPlan()


def _nova(thinking: Thinking, draft: Draft) -> ThinkingPlan:
    if not thinking.enabled:
        return ThinkingPlan({"reasoningConfig": {"type": "disabled"}})
    effort = level_of(thinking, draft.model.efforts, draft.drops) or "medium"
    config = {"type": "enabled", "maxReasoningEffort": effort}
    return ThinkingPlan({"reasoningConfig": config}, unlimited=effort == "high")


def _levelled(thinking: Thinking, draft: Draft) -> ThinkingPlan:
    level = level_of(thinking, draft.model.efforts, draft.drops)
    if level is None:
        return ThinkingPlan()
    extra = {"reasoning": {"effort": level}} if draft.model.thinking == "nested" else {"reasoning_effort": level}
    return ThinkingPlan(extra)
