"""Errors as a client of the responses dialect reads them.

Law: outside a stream OpenAI's error object; a vendor's own travels as it is. Inside: an ``error`` event, which the SDK
shows, and a ``response.failed``, without which Codex knows no failure. Codex repeats a failed answer unless the code is
one of context_length_exceeded, insufficient_quota and invalid_prompt, and reads the delay of a rate limit off the
message.
The two know nothing of the stream that they end: their sequence numbers only lie beyond all others, and the response
has the id of a translated one. Sources: OpenAI's error codes guide; openai.types.responses.ResponseError;
openai/codex, codex-api/src/sse/responses.rs.
"""

from __future__ import annotations

import math

from nexus.errors import Answered, NexusError
from nexus.protocols.openai_errors import read_body as read_body
from nexus.protocols.openai_errors import write_error as write_error
from nexus.protocols.sse import frame
from nexus.wire import Json, encode, text

_SERVER = "server_error"

IN_BAND: dict[str, str] = {
    "context_length": "context_length_exceeded",
    "quota": "insufficient_quota",
    "rate_limit": "rate_limit_exceeded",
    **dict.fromkeys(
        (
            *("invalid_request", "unsupported_feature", "authentication", "permission", "not_found"),
            *("model_not_found", "request_too_large", "content_policy"),
        ),
        "invalid_prompt",
    ),
}
"""Codes inside a stream: what to send the same request again for is a ``server_error``."""

BEYOND = 2_000_000_000
"""A sequence number that no stream reaches."""


def write_frames(error: NexusError, response_id: str, *, begun: bool) -> bytes:
    """The end of a stream whose head has gone out; the SDK takes it only behind a beginning."""
    code, message = _said(error)
    told: dict[str, Json] = {"code": code, "message": message, "param": error.param}
    failed = {
        "id": response_id,
        "object": "response",
        "created_at": 0,
        "status": "failed",
        "error": {"code": code, "message": message},
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }
    beginning = failed | {"status": "in_progress", "error": None}
    created = b"" if begun else _event("response.created", 0, {"response": beginning})
    return created + _event("error", BEYOND, told) + _event("response.failed", BEYOND + 1, {"response": failed})


def _said(error: NexusError) -> tuple[str, str]:
    """Code and wording: the vendor's own where it spoke this dialect."""
    own = read_body(error.body) if isinstance(error, Answered) else {}
    code = text(own.get("code")) or IN_BAND.get(error.kind, _SERVER)
    message = text(own.get("message")) or error.message
    if code == "rate_limit_exceeded" and error.retry_after is not None and math.isfinite(error.retry_after):
        message += f" Please try again in {math.ceil(error.retry_after)}s."
    return code, message


def _event(kind: str, number: int, members: dict[str, Json]) -> bytes:
    return frame(encode({"type": kind, "sequence_number": number} | members), kind)
