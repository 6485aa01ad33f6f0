"""Errors as a client of the chat dialect reads them: ``{"error": {message, type, param, code}}``.

Law: one table from our kinds to this dialect's ``type`` and ``code``. A vendor's own error body of this
shape travels as it is. Source: OpenAI's error codes guide.
"""

from __future__ import annotations

from nexus.errors import Answered, NexusError
from nexus.wire import decode, encode, mapping

_INVALID = "invalid_request_error"

TYPES: dict[str, tuple[str, str | None]] = {
    "invalid_request": (_INVALID, None),
    "unsupported_feature": (_INVALID, "unsupported_feature"),
    "authentication": (_INVALID, "invalid_api_key"),
    "permission": ("permission_error", None),
    "not_found": (_INVALID, "not_found"),
    "model_not_found": (_INVALID, "model_not_found"),
    "method_not_allowed": (_INVALID, "method_not_allowed"),
    "request_too_large": (_INVALID, "request_too_large"),
    "unsupported_media_type": (_INVALID, "unsupported_media_type"),
    "context_length": (_INVALID, "context_length_exceeded"),
    "content_policy": (_INVALID, "content_policy_violation"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "overloaded": ("server_error", "overloaded"),
    "timeout": ("server_error", "upstream_timeout"),
    "unreachable": ("server_error", "upstream_unreachable"),
    "protocol": ("server_error", "upstream_protocol"),
    "stream_interrupted": ("server_error", "stream_interrupted"),
    "upstream": ("server_error", None),
    "answered": ("server_error", None),
    "cancelled": ("server_error", "cancelled"),
    "internal": ("server_error", "internal_error"),
}


def write_error(error: NexusError, request_id: str) -> bytes:
    """The whole body; ``request_id`` travels in a header of this dialect."""
    kind, code = TYPES.get(error.kind, TYPES["internal"])
    return encode({"error": {"message": error.message, "type": kind, "param": error.param, "code": code}})


def write_in_band(error: NexusError, request_id: str) -> bytes:
    """The same inside a stream whose head has gone out; what the vendor said keeps its words."""
    if isinstance(error, Answered) and (said := read_body(error.body)):
        return encode({"error": said})
    return write_error(error, request_id)


def read_body(body: bytes) -> dict[str, object]:
    """The ``error`` object of a body in this dialect's shape, {} for anything else."""
    try:
        return dict(mapping(mapping(decode(body)).get("error")))
    except ValueError:
        return {}
