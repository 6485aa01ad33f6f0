"""Stop reasons of the Messages dialect, both ways.

A client gets an unknown reason as an answer that ran out of tokens, which Claude Code continues. Source:
anthropic.types.StopReason and RefusalStopDetails.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Refusal, Stop, StopReason
from nexus.protocols.checks import Drops
from nexus.protocols.native_reason import native_reason
from nexus.wire import Json, mapping, text

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
    "unknown": "max_tokens",
}


def read_stop(wire: Mapping[str, Json]) -> Stop:
    """Reads a message or its delta. ``raw`` is always the vendor's reason; without one, a complete answer has ended
    normally."""
    word = text(wire.get("stop_reason"))
    if not word:
        return Stop("end")
    # An explanation is from Anthropic and not from the model: a filter stopped the answer.
    reason = "content_filter" if word == "refusal" and explanation(wire) else _READ.get(word, "unknown")
    return Stop(reason, sequence=text(wire.get("stop_sequence")) or None, raw=word)


def read_refusal(wire: Mapping[str, Json], drops: Drops) -> Refusal | None:
    """The vendor's explanation of why it stopped the answer, from the same object; its other members are reported as
    dropped."""
    drops.unknown(mapping(wire.get("stop_details")), ("type", "explanation"), "stop_details")
    words = explanation(wire)
    return Refusal(words) if words else None


def explanation(wire: Mapping[str, Json]) -> str:
    """Why the vendor stopped the answer, from a message or its delta; empty if it does not say."""
    return text(mapping(wire.get("stop_details")).get("explanation"))


def write_stop(stop: Stop) -> dict[str, Json]:
    """The members of a message or its delta."""
    word = _WRITE[stop.reason]
    sequence = stop.sequence if word == "stop_sequence" else None
    return {"stop_reason": word, "stop_sequence": sequence} | native_reason(stop, word)
