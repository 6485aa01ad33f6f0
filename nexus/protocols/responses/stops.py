"""Stop reasons: ``status`` with ``incomplete_details.reason`` to the neutral stop and back.

The content of the answer (calls, a refusal) distinguishes the cases that this dialect calls "completed". Source:
openai.types.responses.Response.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Stop, StopReason
from nexus.protocols.native_reason import native_reason
from nexus.wire import Json, mapping, text

_READ: Mapping[str, StopReason] = {"max_output_tokens": "max_tokens", "content_filter": "content_filter"}

_INCOMPLETE: Mapping[StopReason, str | None] = {
    "end": None,
    "stop_sequence": None,
    "tool_use": None,
    "refusal": "content_filter",
    "content_filter": "content_filter",
    "max_tokens": "max_output_tokens",
    # These answers are not finished, which is all that this dialect can express.
    "pause": "max_output_tokens",
    "context_window": "max_output_tokens",
    "unknown": "max_output_tokens",
}


def read_stop(response: Mapping[str, Json]) -> Stop:
    """The stop of an answer. What "completed" means depends on the content, and is decided later (tidy.py)."""
    match response.get("status"):
        case "completed":
            return Stop("end", raw="completed")
        case "incomplete":
            reason = text(mapping(response.get("incomplete_details")).get("reason"))
            return Stop(_READ.get(reason, "unknown"), raw=reason or "incomplete")
        case status:
            return Stop("unknown", raw=text(status) or None)


def write_stop(stop: Stop, *, refused: bool) -> dict[str, Json]:
    """The members of a response; ``refused`` says that the answer contains the model's own refusal."""
    reason = _INCOMPLETE[stop.reason]
    if stop.reason == "refusal" and refused:
        reason = None
    if reason is None:
        return {"status": "completed", "incomplete_details": None}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}} | native_reason(stop, reason)
