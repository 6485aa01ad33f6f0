"""Errors as a client of the messages dialect reads them: ``{"type": "error", "error": {type, message}, "request_id"}``.

One table from error kinds to this dialect's ``type``. A vendor's own error body of this form is forwarded unchanged. If
a conversation is too long, the message has the words at which Claude Code compacts. A body that is too large keeps its
413: Claude Code 2.1.197 then removes images and documents and compacts, which is what helps in that case; only for a
413 that mentions a "context window", or any error with "prompt is too long", does it compact with the media. Source:
Anthropic's API errors page.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors import NexusError, UnsupportedFeature
from nexus.protocols import context_length
from nexus.wire import Json, encode

TYPES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("invalid_request", "unsupported_feature", "method_not_allowed", "no_websocket", "head_too_large"),
            *("unsupported_media_type", "context_length", "content_policy"),
        ),
        "invalid_request_error",
    ),
    **dict.fromkeys(("not_found", "model_not_found"), "not_found_error"),
    **dict.fromkeys(("rate_limit", "quota"), "rate_limit_error"),
    **dict.fromkeys(("timeout", "request_timeout"), "timeout_error"),
    "authentication": "authentication_error",
    "permission": "permission_error",
    "request_too_large": "request_too_large",
    "overloaded": "overloaded_error",
}
"""By error kind; any other is an ``api_error``."""

_SEND_ALL = {"error_code": "thread_unsupported_request"}
"""With this code, a thread of Anthropic's SDK (2.14) whose ``unsupported_request_behavior`` is "continue_unthreaded"
goes on with the full history and without ``thread``."""


def write_error(error: NexusError, request_id: str) -> bytes:
    message = context_length.worded(error.message) if error.kind == "context_length" else error.message
    document: dict[str, Json] = {"type": TYPES.get(error.kind, "api_error"), "message": message}
    if isinstance(error, UnsupportedFeature) and error.param == "thread":
        document["details"] = _SEND_ALL
    return encode({"type": "error", "error": document, "request_id": request_id})
