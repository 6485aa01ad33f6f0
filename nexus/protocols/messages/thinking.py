"""Thinking, and the ``max_tokens`` that includes it, for a Messages vendor.

Claude counts thinking inside ``max_tokens``. A client's budget that is not below that is refused, and one below the
minimum becomes the minimum; an effort becomes a budget that always fits, if necessary half the limit. If the API
forbids a budget (forced tool, prefill, an open tool turn without its signed thinking), or none fits, thinking is left
out and reported. Source: platform.claude.com, pages on thinking, extended thinking and effort.
"""

from __future__ import annotations

from nexus.conversation.parts import Request, Thinking
from nexus.dataclasses import dataclass
from nexus.models.claude import Claude
from nexus.models.efforts import COMMON, LEAST_BUDGET, claude_budget, nearest
from nexus.protocols.checks import wrong
from nexus.protocols.codec import Target
from nexus.wire import Json, only


@dataclass(frozen=True, slots=True)
class ThinkingPlan:
    """What goes into the body; ``on`` says that the model will or may think, which restricts sampling, ``lost`` names
    what differs from the request."""

    max_tokens: int
    config: dict[str, Json] | None = None
    effort: str | None = None
    on: bool = False
    dropped: bool = False
    lost: str = ""

    @property
    def budgeted(self) -> bool:
        """Whether the model thinks within a budget, as those before adaptive thinking do."""
        return self.config is not None and self.config.get("type") == "enabled"


def plan_thinking(request: Request, target: Target, *, allows_budget: bool) -> ThinkingPlan:
    """The thinking settings and the maximum length of the answer."""
    thinking, claude = request.thinking, target.claude
    limit = target.max_output if request.max_tokens is None else request.max_tokens
    default = target.max_tokens
    bare = default if limit is None else limit
    if thinking is None:
        return ThinkingPlan(default + claude_budget("high", None) if limit is None and claude.thinks_unasked else bare)
    if not thinking.enabled:
        return _off(thinking, bare, claude)
    if claude.thinking == "none":
        return ThinkingPlan(bare, dropped=True)
    if claude.thinking == "adaptive" or (claude.thinking == "either" and thinking.budget is None):
        return _adaptive(thinking, limit, default, claude)
    if not allows_budget:
        return ThinkingPlan(bare, dropped=True)
    if request.max_tokens is None and thinking.budget is not None and limit is not None and thinking.budget >= limit:
        # The client's own budget does not fit into the default limit.
        limit = None
    return _budgeted(thinking, limit, default)


def _off(thinking: Thinking, bare: int, claude: Claude) -> ThinkingPlan:
    if claude.off == "never":
        # A client that set an effort, and did not turn thinking off, gets that effort.
        return ThinkingPlan(bare, effort=nearest(thinking.effort or "low", claude.efforts), dropped=True)
    # Some models reject the two highest efforts while thinking is off.
    accepted = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
    effort = accepted.get(thinking.effort or "") if claude.thinking in ("either", "adaptive") else None
    return ThinkingPlan(bare, config={"type": claude.off}, effort=effort)


def _adaptive(thinking: Thinking, limit: int | None, default: int, claude: Claude) -> ThinkingPlan:
    effort = COMMON.effort(thinking)
    word = effort and nearest(effort, claude.efforts)
    return ThinkingPlan(
        default + claude_budget(effort or "high", None) if limit is None else limit,
        config={"type": "adaptive", "display": "summarized" if thinking.visible else "omitted"},
        effort=word,
        on=True,
        lost="thinking.effort" if word != effort else "",
    )


def _budgeted(thinking: Thinking, limit: int | None, default: int) -> ThinkingPlan:
    asked = thinking.budget
    if asked is not None and limit is not None and asked >= limit:
        raise wrong("thinking", "a budget that is less than max_tokens")
    budget = claude_budget(thinking.effort or "medium", limit) if asked is None else max(asked, LEAST_BUDGET)
    if not budget or (limit is not None and budget >= limit):
        return ThinkingPlan(default if limit is None else limit, dropped=True)
    config = only({"type": "enabled", "budget_tokens": budget, "display": None if thinking.visible else "omitted"})
    lost = "thinking.budget" if asked is not None and asked != budget else ""
    return ThinkingPlan(default + budget if limit is None else limit, config=config, on=True, lost=lost)
