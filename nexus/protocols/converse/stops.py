"""Converse's stop reasons in neutral terms.

Total over the service model's list (a test walks it); a word that is not in the table, and the two by which
Bedrock says that the model's output made no sense, become ``unknown`` and keep the vendor's word.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Stop, StopReason
from nexus.wire import Json, mapping, text

STOPS: Mapping[str, StopReason] = {
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


def read_stop(wire: Mapping[str, Json]) -> Stop:
    """From an answer or a messageStop event; the sequence is there if it was asked for and the model tells."""
    raw = text(wire.get("stopReason")) or None
    extra = mapping(wire.get("additionalModelResponseFields"))
    sequence = text(extra.get("stop_sequence")) or text(mapping(extra.get("delta")).get("stop_sequence"))
    return Stop(STOPS.get(raw or "", "unknown"), sequence or None, raw)
