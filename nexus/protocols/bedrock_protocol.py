"""What the dialects of Bedrock's clients share: the protocol, its errors, and its event streams.

Sources: the bedrock-runtime service model; the AWS REST-JSON protocol, whose clients read an error's type off
``x-amzn-errortype`` and its words off ``message``.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols import context_length
from nexus.protocols.eventstream import event_message, exception_message
from nexus.protocols.protocol import Protocol
from nexus.wire import encode

BEDROCK = Protocol("bedrock", "AWS SDKs and clients set to Bedrock (endpoint URL)", version="", models=None)

ERROR_TYPE = "x-amzn-errortype"
REQUEST_ID = "x-amzn-requestid"

_INVALID, _INTERNAL = "ValidationException", "InternalServerException"
_UNAVAILABLE, _TIMEOUT = "ServiceUnavailableException", "ModelTimeoutException"

TYPES: Mapping[str, str] = {
    "invalid_request": _INVALID,
    "unsupported_feature": _INVALID,
    "authentication": "UnrecognizedClientException",
    "permission": "AccessDeniedException",
    "not_found": "UnknownOperationException",
    "model_not_found": "ResourceNotFoundException",
    "method_not_allowed": "UnknownOperationException",
    "no_websocket": "UnknownOperationException",
    "request_too_large": _INVALID,
    "request_timeout": _INVALID,
    "head_too_large": _INVALID,
    "unsupported_media_type": _INVALID,
    "context_length": _INVALID,
    "content_policy": _INVALID,
    "rate_limit": "ThrottlingException",
    "quota": "ServiceQuotaExceededException",
    "overloaded": _UNAVAILABLE,
    "timeout": _TIMEOUT,
    "unreachable": _UNAVAILABLE,
    "protocol": _INTERNAL,
    "stream_interrupted": _INTERNAL,
    "upstream": _INTERNAL,
    "answered": _INTERNAL,
    "cancelled": _INTERNAL,
    "internal": _INTERNAL,
}
"""The type of an error reply, by our kind."""

_IN_STREAM: Mapping[str, str] = {
    "rate_limit": "throttlingException",
    "quota": "throttlingException",
    "overloaded": "serviceUnavailableException",
    "upstream": "internalServerException",
    "internal": "internalServerException",
    "timeout": "modelStreamErrorException",
    "unreachable": "modelStreamErrorException",
    "protocol": "modelStreamErrorException",
    "stream_interrupted": "modelStreamErrorException",
}
"""The member of a stream that an error is, by our kind; the service model has no others that every stream has."""


def error_headers(kind: str, status: int) -> dict[str, str]:
    found = TYPES.get(kind, _INTERNAL)
    return {ERROR_TYPE: _UNAVAILABLE if found == _INTERNAL and status in (503, 529) else found}


def write_error(kind: str, message: str) -> bytes:
    return encode({"message": words_of(kind, message)})


def words_of(kind: str, message: str) -> str:
    return context_length.worded(message) if kind == "context_length" else message


def exception_event(kind: str) -> str:
    """What ends a stream; a request that is wrong is told as such in it too."""
    return _IN_STREAM.get(kind, "validationException")


def exception_frame(event: str, payload: bytes) -> bytes:
    """``event`` may be a vendor's own, or "error" where the vendor had no name for it."""
    return exception_message("internalServerException" if event == "error" else event, payload)


def event_frame(event: str, payload: bytes) -> bytes:
    return event_message(event, payload)
