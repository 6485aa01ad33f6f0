"""Converse's stop reasons, both ways; the two for malformed output of the model become ``unknown``."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Stop, StopReason
from nexus.wire import Json, mapping, only, text

READ: Mapping[str, StopReason] = {
    "end_turn": "end",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "unknown",
    "malformed_tool_use": "unknown",
    "model_context_window_exceeded": "context_window",
}

BROKEN = frozenset(word for word, reason in READ.items() if reason == "unknown")
"""The model failed: if it sent nothing before, there is no answer."""

_WRITE: Mapping[StopReason, str] = {
    "end": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "refusal": "content_filtered",
    "content_filter": "content_filtered",
    # There is no other reason for an unfinished answer.
    "pause": "max_tokens",
    "context_window": "model_context_window_exceeded",
    "unknown": "malformed_model_output",
}


def read_stop(wire: Mapping[str, Json]) -> Stop:
    """Reads an answer or a messageStop event; the stop sequence is set if it was requested and reported."""
    raw = text(wire.get("stopReason")) or None
    extra = mapping(wire.get("additionalModelResponseFields"))
    sequence = text(extra.get("stop_sequence")) or text(mapping(extra.get("delta")).get("stop_sequence"))
    return Stop(READ.get(raw or "", "unknown"), sequence or None, raw)


def write_stop(stop: Stop) -> dict[str, Json]:
    word = stop.raw if stop.reason == "unknown" and stop.raw in READ else _WRITE[stop.reason]
    extra = None if stop.sequence is None else {"stop_sequence": stop.sequence}
    return only({"stopReason": word, "additionalModelResponseFields": extra})
