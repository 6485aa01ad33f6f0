"""Errors as a client of the Gemini API reads them: a ``google.rpc.Status`` with its code, status and details.

One table from error kinds to the status and the reason. A vendor's own error body of this form is forwarded unchanged.
Source: google/rpc/{code,error_details}.proto; ai.google.dev/gemini-api/docs/troubleshooting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from nexus.errors import NexusError
from nexus.wire import Json, encode

_INVALID, _NOT_FOUND, _INTERNAL = "INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL"
_EXHAUSTED, _UNAVAILABLE, _LATE = "RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"

STATUSES: Mapping[str, tuple[str, str]] = {
    "invalid_request": (_INVALID, "INVALID_REQUEST"),
    "unsupported_feature": (_INVALID, "UNSUPPORTED_FEATURE"),
    "authentication": ("UNAUTHENTICATED", "API_KEY_INVALID"),
    "permission": ("PERMISSION_DENIED", "PERMISSION_DENIED"),
    "not_found": (_NOT_FOUND, "PATH_NOT_FOUND"),
    "model_not_found": (_NOT_FOUND, "MODEL_NOT_FOUND"),
    "method_not_allowed": ("UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
    "no_websocket": ("UNIMPLEMENTED", "NO_WEBSOCKET"),
    "request_too_large": (_INVALID, "REQUEST_TOO_LARGE"),
    "request_timeout": (_LATE, "REQUEST_TIMEOUT"),
    "head_too_large": (_INVALID, "HEAD_TOO_LARGE"),
    "unsupported_media_type": (_INVALID, "UNSUPPORTED_MEDIA_TYPE"),
    "context_length": (_INVALID, "CONTEXT_LENGTH_EXCEEDED"),
    "content_policy": (_INVALID, "CONTENT_POLICY"),
    "rate_limit": (_EXHAUSTED, "RATE_LIMIT_EXCEEDED"),
    "quota": (_EXHAUSTED, "QUOTA_EXCEEDED"),
    "overloaded": (_UNAVAILABLE, "OVERLOADED"),
    "timeout": (_LATE, "UPSTREAM_TIMEOUT"),
    "unreachable": (_UNAVAILABLE, "UPSTREAM_UNREACHABLE"),
    "protocol": (_INTERNAL, "UPSTREAM_PROTOCOL"),
    "stream_interrupted": (_INTERNAL, "STREAM_INTERRUPTED"),
    "upstream": (_INTERNAL, "UPSTREAM_ERROR"),
    "answered": (_INTERNAL, "UPSTREAM_ERROR"),
    "cancelled": ("CANCELLED", "CANCELLED"),
    "internal": (_INTERNAL, "INTERNAL_ERROR"),
}
"""Status and reason of an error, by kind."""

_TYPE = "type.googleapis.com/google.rpc."
_DOMAIN = "nexus"


def write_error(error: NexusError) -> bytes:
    status, reason = STATUSES.get(error.kind, STATUSES["internal"])
    details: list[Json] = [{"@type": f"{_TYPE}ErrorInfo", "reason": reason, "domain": _DOMAIN}]
    if error.param:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if error.retry_after is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{math.ceil(error.retry_after)}s"})
    answer = {"code": error.status, "message": error.message, "status": status, "details": details}
    return encode({"error": answer})
