"""The error object of both of OpenAI's dialects: ``{"error": {message, type, param, code}}``.

One table from error kinds to ``type`` and ``code``. Source: OpenAI's error codes guide.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors import NexusError, UpstreamStatus
from nexus.wire import Json, decode_object, encode, mapping

_INVALID = "invalid_request_error"
_SERVER = "server_error"

TYPES: dict[str, tuple[str, str | None]] = {
    "invalid_request": (_INVALID, None),
    "unsupported_feature": (_INVALID, "unsupported_feature"),
    "authentication": (_INVALID, "invalid_api_key"),
    "permission": ("permission_error", None),
    "not_found": (_INVALID, "not_found"),
    "model_not_found": (_INVALID, "model_not_found"),
    "method_not_allowed": (_INVALID, "method_not_allowed"),
    "no_websocket": (_INVALID, "no_websocket"),
    "request_too_large": (_INVALID, "request_too_large"),
    "request_timeout": (_INVALID, "request_timeout"),
    "head_too_large": (_INVALID, "head_too_large"),
    "unsupported_media_type": (_INVALID, "unsupported_media_type"),
    "context_length": (_INVALID, "context_length_exceeded"),
    "content_policy": (_INVALID, "content_policy_violation"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "overloaded": (_SERVER, "overloaded"),
    "timeout": (_SERVER, "upstream_timeout"),
    "unreachable": (_SERVER, "upstream_unreachable"),
    "protocol": (_SERVER, "upstream_protocol"),
    "stream_interrupted": (_SERVER, "stream_interrupted"),
    "upstream": (_SERVER, None),
    "answered": (_SERVER, None),
    "cancelled": (_SERVER, "cancelled"),
    "internal": (_SERVER, "internal_error"),
}


def write_error(error: NexusError) -> bytes:
    """The complete body; the request id is in a header in these dialects."""
    kind, code = TYPES.get(error.kind, TYPES["internal"])
    return encode({"error": {"message": error.message, "type": kind, "param": error.param, "code": code}})


def write_stream_error(error: NexusError) -> bytes:
    """The same inside a stream whose headers were sent; a vendor's error keeps its message."""
    own = read_body(error.body) if isinstance(error, UpstreamStatus) else {}
    return encode({"error": own}) if own else write_error(error)


def read_body(body: bytes) -> Mapping[str, Json]:
    """The ``error`` object of a body in this form, {} for anything else."""
    return mapping(decode_object(body).get("error"))
