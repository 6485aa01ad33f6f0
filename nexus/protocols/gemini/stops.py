"""Gemini's finish and block reasons, both ways.

Every published reason has a row; one that only says that something failed becomes ``unknown``. A neutral reason that
Google does not have is written as the nearest one. Source: google.genai.types.FinishReason and BlockedReason.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Stop, StopReason
from nexus.wire import Json, text

READ: Mapping[str, StopReason] = {
    "STOP": "end",
    "MAX_TOKENS": "max_tokens",
    # The answer reached the vendor's limit for one request; continuing takes a token that no other dialect has.
    "CONTINUATION": "max_tokens",
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"),
            *("IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR", "ESCALATION", "PUP_LIMITED_DISABLED"),
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        (
            *("FINISH_REASON_UNSPECIFIED", "OTHER", "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE"),
            *("UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "IMAGE_OTHER", "NO_IMAGE"),
        ),
        "unknown",
    ),
}

BROKEN = frozenset(word for word, reason in READ.items() if reason == "unknown") - {"FINISH_REASON_UNSPECIFIED"}
"""The model failed: if it sent nothing before, there is no answer."""


def read_stop(wire: Mapping[str, Json]) -> Stop:
    """Reads the ``finishReason`` of a candidate, or the ``blockReason`` of a prompt that was refused. STOP also ends an
    answer with calls, whose stop reason is decided later (tidy.py)."""
    reason, block = text(wire.get("finishReason")), text(wire.get("blockReason"))
    if block and not reason:
        return Stop("content_filter", raw=block)
    return Stop(READ.get(reason, "unknown"), raw=reason or None)


_WRITE: Mapping[StopReason, str] = {
    "end": "STOP",
    "max_tokens": "MAX_TOKENS",
    "stop_sequence": "STOP",
    "tool_use": "STOP",
    "refusal": "SAFETY",
    "content_filter": "SAFETY",
    # There is no other reason for an unfinished answer.
    "pause": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "unknown": "OTHER",
}


def write_stop(stop: Stop) -> str:
    return stop.raw if stop.raw is not None and stop.reason == READ.get(stop.raw) else _WRITE[stop.reason]
