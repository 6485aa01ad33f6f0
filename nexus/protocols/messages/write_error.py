"""Errors as a client of the messages dialect reads them: ``{"type": "error", "error": {type, message}, "request_id"}``.

One table from our kinds to this dialect's ``type``. A vendor's own error body of this shape travels as it is. A
conversation that is too long is told in the words by which Claude Code compacts. A body that is too large keeps its
413: Claude Code 2.1.197 then takes images and documents out and compacts, which is what helps there; only a 413 that
speaks of a "context window", or any error that has "prompt is too long" in it, is compacted with its media.
Source: Anthropic's API errors page.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors import NexusError, UnsupportedFeature, UpstreamStatus
from nexus.protocols import context_length
from nexus.wire import Json, decode_object, encode, mapping

_INVALID = "invalid_request_error"

TYPES: dict[str, str] = {
    "invalid_request": _INVALID,
    "unsupported_feature": _INVALID,
    "authentication": "authentication_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "model_not_found": "not_found_error",
    "method_not_allowed": _INVALID,
    "no_websocket": _INVALID,
    "request_too_large": "request_too_large",
    "request_timeout": "timeout_error",
    "head_too_large": _INVALID,
    "unsupported_media_type": _INVALID,
    "context_length": _INVALID,
    "content_policy": _INVALID,
    "rate_limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
}
"""By our kind; any other is an ``api_error``."""

_SEND_ALL = {"error_code": "thread_unsupported_request"}
"""At which Anthropic's SDK (2.14) goes on with the whole history and without ``thread``, as its tool runner begins."""


def write_error(error: NexusError, request_id: str) -> bytes:
    message = context_length.worded(error.message) if error.kind == "context_length" else error.message
    document: dict[str, Json] = {"type": TYPES.get(error.kind, "api_error"), "message": message}
    if isinstance(error, UnsupportedFeature) and error.param == "thread":
        document["details"] = _SEND_ALL
    return encode({"type": "error", "error": document, "request_id": request_id})


def write_stream_error(error: NexusError, request_id: str) -> bytes:
    """The same inside a stream whose head has gone out; what the vendor said keeps its words."""
    if isinstance(error, UpstreamStatus) and (document := read_body(error.body)):
        return encode(document)
    return write_error(error, request_id)


def read_body(body: bytes) -> Mapping[str, Json]:
    """A body in this dialect's shape, {} for anything else."""
    document = decode_object(body)
    return document if mapping(document.get("error")) else {}
