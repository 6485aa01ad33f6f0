"""What the dialects of Bedrock's clients share: the protocol, its errors, and its event streams.

Sources: the bedrock-runtime service model; the AWS REST-JSON protocol, whose clients read an error's type off
``x-amzn-errortype`` and its message off ``message``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from nexus.errors import NexusError, UpstreamStatus
from nexus.errors.failure import VendorFailure
from nexus.protocols import context_length
from nexus.protocols.dialect import Dialect
from nexus.protocols.eventstream import exception_message
from nexus.protocols.protocol import Protocol
from nexus.wire import Json, encode

ERROR_TYPE = "x-amzn-errortype"
RETRY_AFTER = "x-amz-retry-after"
"""A delay in milliseconds; AWS's SDKs read no other such header. Source: aws/aws-sdk-go-v2#3400 (April 2026)."""

_INTERNAL, _UNAVAILABLE = "InternalServerException", "ServiceUnavailableException"

TYPES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("invalid_request", "unsupported_feature", "request_too_large", "request_timeout", "head_too_large"),
            *("unsupported_media_type", "context_length", "content_policy"),
        ),
        "ValidationException",
    ),
    **dict.fromkeys(("not_found", "method_not_allowed", "no_websocket"), "UnknownOperationException"),
    **dict.fromkeys(("overloaded", "unreachable"), _UNAVAILABLE),
    "authentication": "UnrecognizedClientException",
    "permission": "AccessDeniedException",
    "model_not_found": "ResourceNotFoundException",
    "rate_limit": "ThrottlingException",
    "quota": "ServiceQuotaExceededException",
    "timeout": "ModelTimeoutException",
}
"""Type of an error reply, by error kind; any other kind is internal."""

_IN_STREAM: Mapping[str, str] = {
    **dict.fromkeys(("rate_limit", "quota"), "throttlingException"),
    **dict.fromkeys(("upstream", "internal"), "internalServerException"),
    **dict.fromkeys(("timeout", "unreachable", "protocol", "stream_interrupted"), "modelStreamErrorException"),
    "overloaded": "serviceUnavailableException",
}
"""Stream member for an error, by kind; the service model has no others that every stream has."""


class BedrockDialect(Dialect):
    protocol: ClassVar[Protocol] = Protocol(
        "bedrock", "AWS SDKs and clients set to Bedrock (endpoint URL)", version="", models=None
    )
    any_id: ClassVar[bool] = True
    takes_any_type: ClassVar[bool] = True
    passes_errors: ClassVar[bool] = False
    id_header: ClassVar[str] = "x-amzn-requestid"

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        return write_error(described(error))

    def error_headers(self, error: NexusError) -> dict[str, str]:
        found = TYPES.get(described(error).kind, _INTERNAL)
        wait = {} if error.retry_after is None else {RETRY_AFTER: str(math.ceil(error.retry_after * 1000))}
        return wait | {ERROR_TYPE: _UNAVAILABLE if found == _INTERNAL and error.status in (503, 529) else found}

    def write_count(self, tokens: int) -> dict[str, Json]:
        return {"inputTokens": tokens}


def described(error: NexusError) -> NexusError | VendorFailure:
    """The vendor's failure if the error has one, else the error: both have a kind and a message."""
    return error.failure if isinstance(error, UpstreamStatus) else error


def write_error(error: NexusError | VendorFailure) -> bytes:
    words = context_length.worded(error.message) if error.kind == "context_length" else error.message
    return encode({"message": words})


def exception_event(kind: str) -> str:
    """The name of the exception that ends a stream, by the kind of the error."""
    return _IN_STREAM.get(kind, "validationException")


def exception_frame(event: str, payload: bytes) -> bytes:
    """``event`` is the vendor's own, or "error" if the vendor had no name for it."""
    return exception_message("internalServerException" if event == "error" else event, payload)
