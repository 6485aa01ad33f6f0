"""How hard the model is to think, in each family's own fields.

Thinking yields to what the client can rely on. Where a model refuses it beside a forced tool call, or because the
history lacks the reasoning it demands, it is left out and reported. Sources: the Bedrock user guide on extended
thinking, Nova reasoning and gpt-oss; the bedrock-runtime service model (outputConfig.effort).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nexus.conversation.parts import Effort, Request, Thinking
from nexus.models import efforts
from nexus.protocols.codec import Target
from nexus.protocols.converse.draft import Draft
from nexus.protocols.converse.tools import ToolPlan
from nexus.protocols.converse.turns import answers_unreasoned_call
from nexus.wire import Json

_FROM_LOW: Mapping[Effort, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}


@dataclass(frozen=True, slots=True)
class ThinkingPlan:
    """``claude``: Claude thinks; ``unlimited``: Nova thinks so hard that it takes no limits and no sampling."""

    extra: dict[str, Json] = field(default_factory=dict)
    effort: str | None = None
    max_tokens: int | None = None
    claude: bool = False
    unlimited: bool = False


def plan_thinking(request: Request, tools: ToolPlan, target: Target, draft: Draft) -> ThinkingPlan:
    """``target.max_tokens`` are the tokens for the answer itself where the client set no limit."""
    plan = ThinkingPlan(max_tokens=request.max_tokens)
    thinking = request.thinking
    if thinking is None:
        return plan
    exact = thinking.enabled and thinking.budget is not None
    match draft.model.thinking:
        case "either" if not exact:
            return _adaptive(plan, thinking, tools, draft)
        case "budget" | "either":
            return _budgeted(plan, request, thinking, tools, target.max_tokens, draft)
        case "adaptive":
            return _adaptive(plan, thinking, tools, draft)
        case "nova":
            return _nova(plan, thinking, draft)
        case "effort" | "nested":
            return _levelled(plan, thinking, draft)
        case None:
            draft.drop("thinking")
            return plan


def _adaptive(plan: ThinkingPlan, thinking: Thinking, tools: ToolPlan, draft: Draft) -> ThinkingPlan:
    wished = efforts.COMMON.effort(thinking)
    effort = None if wished is None else _FROM_LOW[wished]
    if not thinking.enabled:
        return ThinkingPlan({"thinking": {"type": "disabled"}}, effort, plan.max_tokens)
    if tools.forced:
        draft.drop("thinking")
        return plan
    display = "summarized" if thinking.visible else "omitted"
    return ThinkingPlan({"thinking": {"type": "adaptive", "display": display}}, effort, plan.max_tokens, claude=True)


def _budgeted(
    plan: ThinkingPlan, request: Request, thinking: Thinking, tools: ToolPlan, spare: int, draft: Draft
) -> ThinkingPlan:
    if not thinking.enabled:
        return plan
    limit = request.max_tokens
    budget = thinking.budget
    if budget is None:
        budget = efforts.claude_budget(thinking.effort or "medium", limit)
    if not budget or tools.forced or answers_unreasoned_call(request):
        draft.drop("thinking")
        return plan
    whole = budget + spare if limit is None else limit
    return ThinkingPlan({"thinking": {"type": "enabled", "budget_tokens": budget}}, None, whole, claude=True)


def _level(thinking: Thinking, draft: Draft) -> str | None:
    """The level to ask for; what the model cannot do as asked is named."""
    chosen = efforts.choose(thinking, draft.model.efforts)
    if chosen.lost is not None:
        draft.drop(chosen.lost)
    return chosen.level


def _nova(plan: ThinkingPlan, thinking: Thinking, draft: Draft) -> ThinkingPlan:
    if not thinking.enabled:
        return ThinkingPlan({"reasoningConfig": {"type": "disabled"}}, None, plan.max_tokens)
    effort = _level(thinking, draft) or "medium"
    config = {"type": "enabled", "maxReasoningEffort": effort}
    return ThinkingPlan({"reasoningConfig": config}, None, plan.max_tokens, unlimited=effort == "high")


def _levelled(plan: ThinkingPlan, thinking: Thinking, draft: Draft) -> ThinkingPlan:
    level = _level(thinking, draft)
    if level is None:
        return plan
    extra = {"reasoning": {"effort": level}} if draft.model.thinking == "nested" else {"reasoning_effort": level}
    return ThinkingPlan(extra, None, plan.max_tokens)
