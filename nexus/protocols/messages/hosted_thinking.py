"""Adapts thinking and effort of a Messages request to the model that answers, which an alias hides from the client.

Only what the model is known to reject is changed, and every change is reported; for a model that its id does not
identify, nothing is changed. Claude Code treats an unknown name as the newest Claude, and requests thinking
accordingly. Source: platform.claude.com, pages on thinking, extended thinking and effort.
"""

from __future__ import annotations

from typing import Any

from nexus.models.claude import Claude
from nexus.models.efforts import COMMON, claude_budget
from nexus.protocols.checks import Body
from nexus.protocols.messages.signatures import THINKING
from nexus.protocols.messages.turn_controls import with_effort
from nexus.protocols.rewrite import REMOVE, Edited, cut
from nexus.wire import Json, count, decode, encode, mapping, sequence, text

_FORCING = ("any", "tool")


def fit_thinking(raw: bytes, claude: Claude) -> Edited:
    """The body as the model accepts it, and the names of the changed settings."""
    if not claude.known:
        return Edited(raw)
    rules: dict[str, Any] = {}
    document = mapping(decode(raw))
    wire, lost = mapping(document.get("thinking")), []
    effort = mapping(document.get("output_config")).get("effort")
    fitted = _fitted(wire, document, claude, effort) if wire.get("type") else wire
    if fitted != wire:
        lost.append("thinking.budget_tokens" if wire.get("type") == "enabled" and fitted else "thinking.type")
        rules["thinking"] = lambda _: encode(fitted) if fitted else REMOVE
    if isinstance(effort, str) and effort not in claude.efforts:
        lost.append("output_config.effort")
        rules["output_config"] = {"effort": lambda _: encode("high") if claude.efforts else REMOVE}
    body = cut(raw, rules) if rules else raw
    if effort is None and "budget_tokens" in wire and fitted.get("type") == "adaptive":
        body = with_effort(body, document, COMMON.of_budget(count(wire.get("budget_tokens"))))
    return Edited(body, tuple(lost))


def _fitted(wire: Body, document: Body, claude: Claude, effort: Json) -> Body:
    """The model's own form of ``thinking``; empty if it supports none."""
    kept = {name: wire[name] for name in ("display",) if name in wire}
    match wire.get("type"):
        case "adaptive" | "enabled" if claude.thinking == "none":
            return {}
        case "adaptive" if claude.thinking == "budget":
            budget = _budget(document, text(effort))
            return {"type": "enabled", "budget_tokens": budget, **kept} if budget else {}
        case "enabled" if claude.thinking == "adaptive":
            return {"type": "adaptive", **kept}
        case "disabled" | "between_tools" if claude.thinking == "none" or claude.off == "never":
            return {}
        case "disabled" | "between_tools":
            return wire if wire["type"] == claude.off else {"type": claude.off}
        case _:
            return wire


def _budget(document: Body, effort: str) -> int:
    """The budget that fits into the answer; 0 if the API allows none."""
    turns = [mapping(turn) for turn in sequence(document.get("messages")) if mapping(turn).get("role") != "system"]
    if mapping(document.get("tool_choice")).get("type") in _FORCING or not turns or turns[-1].get("role") != "user":
        return 0
    open_turn = len(turns) > 1 and "tool_result" in _kinds(turns[-1])
    if open_turn and (_kinds(turns[-2]) or [""])[0] not in THINKING:
        return 0
    return claude_budget(effort, count(document.get("max_tokens")))


def _kinds(turn: Body) -> list[str]:
    return [text(mapping(block).get("type")) for block in sequence(turn.get("content"))]
