"""Which events of a Messages stream carry content, after which no other attempt can answer the client.

Events that only say that an answer has begun or is in progress are not content; unknown events are content, because
they may be new. Source: anthropic.types.RawMessageStreamEvent.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.messages.stops import explanation
from nexus.wire import Json, mapping, text

_NONE = frozenset({"", "message_stop", "content_block_stop", "error", "ping", "keepalive", "heartbeat"})

_BLOCKS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "citations"),
    "thinking": ("thinking", "signature"),
    **dict.fromkeys(("tool_use", "server_tool_use", "mcp_tool_use"), ("input",)),
}
"""Members of a block that are empty at its start if deltas fill them; other blocks come complete."""

_THINKING = ("thinking", "redacted_thinking")

_DELTAS: Mapping[str, str] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


def starts_thinking(kind: str, event: Mapping[str, Json]) -> bool:
    return kind == "content_block_start" and text(mapping(event.get("content_block")).get("type")) in _THINKING


def has_content(kind: str, event: Mapping[str, Json]) -> bool:
    """``kind`` is the event's type."""
    match kind:
        case "content_block_delta":
            delta = mapping(event.get("delta"))
            member = _DELTAS.get(text(delta.get("type")))
            return member is None or bool(delta.get(member))
        case "content_block_start":
            block = mapping(event.get("content_block"))
            members = _BLOCKS.get(text(block.get("type")))
            return members is None or any(map(block.get, members))
        case "message_start":
            return bool(mapping(event.get("message")).get("content"))
        case "message_delta":
            return bool(explanation(mapping(event.get("delta"))))
        case _:
            return kind not in _NONE
