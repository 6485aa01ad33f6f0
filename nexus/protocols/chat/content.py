"""Which chunks of a chat stream carry content, after which no other attempt can answer the client.

A role, the name of a tool, usage and a vendor's data about the prompt are not content; any other member of a delta is.
Source: openai.types.chat.ChatCompletionChunk.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.wire import Json, mapping, sequence


def has_content(chunk: Mapping[str, Json]) -> bool:
    return any(map(_has_content, map(mapping, sequence(chunk.get("choices")))))


def _has_content(choice: Mapping[str, Json]) -> bool:
    # A server that simulates streaming puts the complete message in place of the delta.
    return any(
        bool(value) and _HOLDS.get(name, bool)(value)
        for holder in (mapping(choice.get("delta")), mapping(choice.get("message")))
        for name, value in holder.items()
    )


def _called(call: Json) -> bool:
    """Whether a call has more than its id and its name."""
    fields = mapping(call)
    function = mapping(fields.get("function")) or fields
    return bool(function.get("arguments")) or bool(mapping(fields.get("custom")).get("input"))


_HOLDS = {
    "role": lambda value: False,
    "tool_calls": lambda value: any(map(_called, sequence(value))),
    "function_call": _called,
}
"""Members of a delta that are not content."""
