"""A vendor's error in either of OpenAI's dialects, read into neutral terms: by its code, its type, its status. Sources:
OpenAI's error codes guide and openai.types.responses.ResponseError; Azure's content filter and error codes; llama.cpp's
``exceed_context_size_error``; OpenRouter's numeric codes; Mistral's ``invalid_model`` (mistralai/mistral-vibe
issue 617, 2026-04); Groq's 400s about a call or JSON that its model wrote (pydantic-ai #2759, litellm #40566, 2026-09).
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors.failure import FailureKind, VendorFailure
from nexus.protocols import context_length
from nexus.protocols.error_words import (
    KIND_OF,
    NO_ANSWER,
    STATUS_OF,
    UNSAID,
    by_code,
    decode_error,
    error_words,
    http_failure,
    kind_of_status,
)
from nexus.wire import Json, mapping, sequence, text

# "server_error" is missing on purpose: OpenAI also sends it with 503, where the status is more specific.
CODES: Mapping[str, FailureKind] = by_code(
    {
        "context_length": "context_length_exceeded exceed_context_size_error context_window_exceeded",
        "quota": "insufficient_quota billing_hard_limit_reached billing_not_active insufficient_balance",
        "rate_limit": "rate_limit_exceeded rate_limit_error too_many_requests requests tokens RESOURCE_EXHAUSTED",
        "content_policy": "content_policy_violation content_filter moderation_blocked invalid_prompt bio_policy "
        "cyber_policy misalignment_policy_violation image_content_policy_violation ResponsibleAIPolicyViolation",
        "model_not_found": "model_not_found model_not_available model_decommissioned DeploymentNotFound invalid_model",
        "authentication": "invalid_api_key authentication_error invalid_authentication UNAUTHENTICATED",
        "permission": "permission_error permission_denied PERMISSION_DENIED unsupported_country_region_territory",
        "request_too_large": "request_too_large",
        "overloaded": "server_is_overloaded server_overloaded engine_overloaded engine_overloaded_error "
        "overloaded_error service_unavailable unavailable_error slow_down UNAVAILABLE",
        "upstream": "tool_use_failed json_validate_failed",
        "timeout": "timeout vector_store_timeout DEADLINE_EXCEEDED",
        "not_found": "not_found not_found_error",
    }
)

_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-ms-request-id", "x-goog-request-id")


def read_error(
    status: int, headers: Mapping[str, str], body: bytes, codes: Mapping[str, FailureKind] = CODES
) -> VendorFailure:
    """``codes`` are the dialect's. Header names are in lower case."""
    document = decode_error(body)
    items = sequence(document)
    whole = mapping(items[0] if items else document)
    error = mapping(whole.get("error")) or whole
    words = error_words(document, body) or f"the vendor answered {status} without an explanation"
    return http_failure(words, _kind(error, status, codes), status, headers, _REQUEST_IDS, text(error.get("param")))


def read_in_band(
    document: Mapping[str, Json], codes: Mapping[str, FailureKind] = CODES, *, decided_by: tuple[str, ...] = ("code",)
) -> VendorFailure:
    """An error inside a 200; without any of the members ``decided_by``, its message decides."""
    error = mapping(document.get("error")) or document
    numeric = _numeric(error.get("code")) or _numeric(error.get("status_code"))
    kind = _kind(error, numeric or 500, codes)
    is_error = "error" in document or document.get("type") == "error"
    failure = VendorFailure(
        error_words(document) or (UNSAID if is_error else NO_ANSWER),
        kind=kind,
        status=numeric or STATUS_OF[kind],
        request_id=text(error.get("request_id")) or None,
        param=text(error.get("param")) or None,
    )
    return context_length.judged(failure, unsaid=not any(map(error.get, decided_by)))


def _kind(error: Mapping[str, Json], status: int, codes: Mapping[str, FailureKind]) -> FailureKind:
    inner = mapping(error.get("innererror"))
    for word in (inner.get("code"), error.get("code"), error.get("type"), error.get("status")):
        # A general type must not hide a more specific status.
        if (kind := codes.get(text(word))) is not None and (kind != "invalid_request" or status not in KIND_OF):
            return kind
    return kind_of_status(status)


def _numeric(code: Json) -> int | None:
    """A status instead of a code, as in OpenRouter, vLLM and llama.cpp, or beside one, as in Groq's streams (tensorzero
    #1893); some send it as a string."""
    if isinstance(code, str) and len(code) == 3 and code.isascii() and code.isdigit():
        code = int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) and 400 <= code <= 599 else None
