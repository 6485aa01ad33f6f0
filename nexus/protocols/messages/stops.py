"""Stop reasons of the Messages dialect, both ways.

Law: the map is total; a word that is not in it stays itself as ``Stop("unknown", raw=word)`` and is never turned into
a clean end. Source: anthropic.types.StopReason.
"""

from __future__ import annotations

from nexus.conversation import Stop, StopReason
from nexus.wire import Json, text

_READ: dict[str, StopReason] = {
    "end_turn": "end",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}

_WRITE: dict[StopReason, str] = {
    **{reason: word for word, reason in _READ.items()},
    "content_filter": "refusal",
}


def read_stop(reason: Json, sequence: Json = None) -> Stop:
    """``raw`` is always the vendor's word."""
    word = text(reason)
    return Stop(_READ.get(word, "unknown"), sequence=text(sequence) or None, raw=word or None)


def write_stop(stop: Stop, *, refused: bool = False) -> str:
    """The wire word; ``refused`` says that the answer held a Refusal part, which this dialect only has as a reason."""
    if refused and stop.reason == "end":
        return "refusal"
    return _WRITE.get(stop.reason) or stop.raw or "unknown"
