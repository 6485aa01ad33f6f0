"""Errors as a client of the responses dialect reads them.

Outside a stream OpenAI's error object (openai_protocol.py). Inside: an ``error`` event, which the SDK shows, and a
``response.failed``, without which Codex does not detect the failure. Codex retries a failed answer unless the code is
one of context_length_exceeded, insufficient_quota and invalid_prompt, and reads the delay of a rate limit from the
message; every other client gets the codes of the published type in the response. Both events are independent of the
stream that they end, except that the response keeps its id: their sequence numbers are only higher than all others.
Sources: OpenAI's error codes guide; openai.types.responses.ResponseError; openai/codex,
codex-api/src/sse/responses.rs.
"""

from __future__ import annotations

import math

from nexus.errors import NexusError, UpstreamStatus
from nexus.protocols.codec import Envelope
from nexus.protocols.dialect import BrokenStream
from nexus.protocols.openai_protocol import read_body
from nexus.protocols.responses.response_object import write_response_object
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
"""Codes of ``error`` events, which may be any string: failures that can be retried are a server_error."""

_PUBLISHED: dict[str, str] = {"context_length_exceeded": "invalid_prompt", "insufficient_quota": "rate_limit_exceeded"}
"""The codes in ``response.error`` instead, which has a closed list of codes; Codex expects the actual ones there."""

BEYOND = 2_000_000_000
"""A sequence number higher than any stream has."""


def write_frames(error: NexusError, response_id: str, broken: BrokenStream, *, codex: bool) -> bytes:
    """The end of a stream whose headers were sent; the SDK accepts it only after a beginning."""
    code, message = _code_and_message(error)
    wire_error: dict[str, Json] = {"code": code, "message": message, "param": error.param}
    begun = write_response_object(Envelope(response_id, broken.model, broken.now))
    closed = code if codex else _PUBLISHED.get(code, code)
    failed = begun | {"status": "failed", "error": {"code": closed, "message": message}}
    created = b"" if broken.begun else _event("response.created", 0, {"response": begun})
    return created + _event("error", BEYOND, wire_error) + _event("response.failed", BEYOND + 1, {"response": failed})


def _code_and_message(error: NexusError) -> tuple[str, str]:
    """Code and message: the vendor's own if it spoke this dialect."""
    own = read_body(error.body) if isinstance(error, UpstreamStatus) else {}
    code = text(own.get("code")) or IN_BAND.get(error.kind, _SERVER)
    message = text(own.get("message")) or error.message
    if code == "rate_limit_exceeded" and error.retry_after is not None and math.isfinite(error.retry_after):
        message += f" Please try again in {math.ceil(error.retry_after)}s."
    return code, message


def _event(kind: str, number: int, members: dict[str, Json]) -> bytes:
    return frame(encode({"type": kind, "sequence_number": number} | members), kind)
