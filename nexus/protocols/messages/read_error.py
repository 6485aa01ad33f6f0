"""A vendor's error in this dialect, read into neutral terms, by the error's ``type`` and ``details.error_code``.

A structured ``not_found_error`` means the model: translated requests refer to nothing else that could be missing.
Source: anthropic.types.shared.ErrorType and platform.claude.com/docs/en/api/errors.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.dataclasses import replace
from nexus.errors.failure import FailureKind, VendorFailure
from nexus.protocols import context_length
from nexus.protocols.error_words import (
    NO_ANSWER,
    UNSAID,
    by_code,
    decode_error,
    error_words,
    http_failure,
    kind_of_status,
)
from nexus.wire import Json, mapping, text

_BY_TYPE: Mapping[str, tuple[FailureKind, int]] = {
    "invalid_request_error": ("invalid_request", 400),
    "authentication_error": ("authentication", 401),
    "billing_error": ("quota", 402),
    "permission_error": ("permission", 403),
    "not_found_error": ("model_not_found", 404),
    "conflict_error": ("invalid_request", 409),
    "request_too_large": ("request_too_large", 413),
    "rate_limit_error": ("rate_limit", 429),
    "api_error": ("upstream", 500),
    "timeout_error": ("timeout", 504),
    "overloaded_error": ("overloaded", 529),
}

_BY_CODE: Mapping[str, FailureKind] = by_code(
    {
        "quota": "contract_spend_limit_reached enforced_spend_limit_reached linked_organization_spend_limit_reached "
        "linked_organization_billing_unavailable",
        "permission": "organization_on_hold",
        "request_too_large": "request_body_too_large_after_decoding",
        "timeout": "request_body_timeout",
        "not_found": "file_expired",
    }
)

_REQUEST_IDS = ("request-id", "x-request-id", "x-amzn-requestid")


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> VendorFailure:
    document = decode_error(body)
    wire = mapping(document)
    words = error_words(document, body) or f"the vendor answered {status} without an explanation"
    failure = http_failure(words, _kind(mapping(wire.get("error")), status), status, headers, _REQUEST_IDS)
    return replace(failure, request_id=text(wire.get("request_id")) or failure.request_id)


def is_answer(body: Mapping[str, Json]) -> bool:
    return isinstance(body.get("content"), list) and body.get("type") != "error"


def read_stream_error(event: Mapping[str, Json]) -> VendorFailure:
    """An ``error`` event inside a stream, or a 200 that is not an answer; its type implies the status it would have
    had."""
    error = mapping(event.get("error"))
    kind, status = _BY_TYPE.get(text(error.get("type")), ("upstream", 502))
    kind = _code_kind(error) or kind
    message = error_words(event) or (UNSAID if event.get("type") == "error" else NO_ANSWER)
    failure = VendorFailure(message, kind=kind, status=status, request_id=text(event.get("request_id")) or None)
    return context_length.judged(failure)


def _kind(error: Mapping[str, Json], status: int) -> FailureKind:
    by_type = None if status in (402, 413) else _BY_TYPE.get(text(error.get("type")))
    return _code_kind(error) or (kind_of_status(status) if by_type is None else by_type[0])


def _code_kind(error: Mapping[str, Json]) -> FailureKind | None:
    return _BY_CODE.get(text(mapping(error.get("details")).get("error_code")))
