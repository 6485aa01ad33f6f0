"""Servers that think by default and reject some requests while they do, as DeepSeek's does: thinking is switched off.
Others always think and reject a request without thinking, as Kimi K2.7 Code does: it is switched on.
Some accept only a budget, as Alibaba's does, while Claude Code requests adaptive thinking.

It rejects a call in the history without the thinking before it, which clients and other vendors leave out, and a forced
tool, as Claude Code's web search has it; without thinking it rejects an effort, which Claude Code's subagents send.
Sources: CSSwitch #73, hermes-agent #15712, cc-switch #2331 and #4239, awesome-deepseek-integration #598 and #606,
DeepSeek-V3 #1397; Kimi: claude-code #69379, Kimi-K2 #141; Alibaba: claude-code #29531 and #68551, November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.models.efforts import LEAST_BUDGET, claude_budget
from nexus.protocols.edit import set_member
from nexus.protocols.messages.signatures import THINKING
from nexus.protocols.rewrite import Edited, removing
from nexus.wire import Json, count, decode, mapping, sequence, text

OFF: Json = {"type": "disabled"}
ON: Mapping[str, Json] = {"type": "enabled", "budget_tokens": LEAST_BUDGET}
_EFFORT = ("output_config", "effort")


def must_be_off(document: Mapping[str, Json]) -> bool:
    """Whether such a server rejects the request while it thinks."""
    if mapping(document.get("tool_choice")).get("type") in ("any", "tool"):
        return True
    for message in map(mapping, sequence(document.get("messages"))):
        kinds = {text(mapping(block).get("type")) for block in sequence(message.get("content"))}
        if "tool_use" in kinds and kinds.isdisjoint(THINKING):
            return True
    return False


def switched_off(raw: bytes) -> Edited:
    """The request as such a server accepts it."""
    document = mapping(decode(raw))
    is_off = mapping(document.get("thinking")) == OFF
    if not is_off and not must_be_off(document):
        return Edited(raw)
    edited = Edited(raw) if is_off else Edited(set_member(raw, document, "thinking", OFF), ("thinking",))
    return edited.without(removing([_EFFORT]), ".".join(_EFFORT))


def lacks_thinking(document: Mapping[str, Json]) -> bool:
    return mapping(document.get("thinking")).get("type") != "enabled"


def switched_on(raw: bytes) -> Edited:
    """The request as a server that always thinks accepts it; reported if the client wanted no thinking."""
    document = mapping(decode(raw))
    if not lacks_thinking(document):
        return Edited(raw)
    is_off = mapping(document.get("thinking")) == OFF
    return Edited(set_member(raw, document, "thinking", dict(ON)), ("thinking",) if is_off else ())


def with_budget(raw: bytes) -> Edited:
    """The request with the budget for its effort, if it asks for adaptive thinking."""
    document = mapping(decode(raw))
    if mapping(document.get("thinking")).get("type") != "adaptive":
        return Edited(raw)
    effort = text(mapping(document.get("output_config")).get("effort"))
    budget = claude_budget(effort, count(document.get("max_tokens")) or None)
    return Edited(set_member(raw, document, "thinking", {**ON, "budget_tokens": budget} if budget else OFF))
