"""Which events of a Responses stream carry content, after which no other attempt can answer the client.

Events that only say that a response, an item or a part has begun or is in progress are not content; unknown events are
content, because they may be new. Source: openai.types.responses.ResponseStreamEvent.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.wire import Json, mapping, text

_NONE = frozenset(
    {
        *("", "response.created", "response.in_progress", "response.queued", "ping", "keepalive", "heartbeat"),
        *("error", "response.failed", "response.completed", "response.incomplete"),
    }
)

_PROGRESS = (".in_progress", ".searching", ".generating", ".interpreting")
"""Suffixes of progress events of a vendor's own tools."""

_ITEMS: Mapping[str, tuple[str, ...]] = {
    "message": ("content",),
    "reasoning": ("summary", "content"),
    "function_call": ("arguments",),
    "custom_tool_call": ("input",),
}
"""Members of an item that are empty at its start if deltas fill them."""

_RUNNING = ("in_progress", "queued", "searching", "generating", "interpreting")


def starts_thinking(kind: str, event: Mapping[str, Json]) -> bool:
    return kind == "response.output_item.added" and mapping(event.get("item")).get("type") == "reasoning"


def has_content(kind: str, event: Mapping[str, Json]) -> bool:
    """``kind`` is the event's type."""
    match kind:
        case "response.output_item.added":
            return _is_filled(mapping(event.get("item")))
        case "response.content_part.added" | "response.reasoning_summary_part.added":
            part = mapping(event.get("part"))
            return bool(part.get("text")) or bool(part.get("refusal"))
        case _ if kind.endswith(".delta"):
            return bool(event.get("delta"))
        case _:
            return kind not in _NONE and not kind.endswith(_PROGRESS)


def _is_filled(item: Mapping[str, Json]) -> bool:
    """Whether an added item already has content."""
    members = _ITEMS.get(text(item.get("type")))
    return item.get("status") not in _RUNNING if members is None else any(map(item.get, members))
