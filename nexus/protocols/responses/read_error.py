"""A vendor's error in this dialect, read into neutral terms.

The kind comes from the structured code, then from the type, then from the status; where these say nothing,
only ``context_length`` reads the wording. The wording and the request id are kept. Sources: OpenAI's error codes guide;
openai.types.responses.ResponseError and ResponseErrorEvent.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.failure import FailureKind, VendorFailure
from nexus.headers.forwarding import retry_after
from nexus.protocols import context_length
from nexus.protocols.error_kinds import KIND_OF, STATUS_OF, kind_of
from nexus.protocols.error_words import NO_ANSWER, decode_error, error_words
from nexus.wire import Json, mapping, text

_UNSAID = "the upstream reported an error without an explanation"

# "server_error" is missing on purpose: OpenAI says it with 503 too, and there the status knows more.
_BY_CODE: Mapping[str, FailureKind] = {
    "context_length_exceeded": "context_length",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "content_policy_violation": "content_policy",
    "content_filter": "content_policy",
    "invalid_prompt": "content_policy",
    "bio_policy": "content_policy",
    "cyber_policy": "content_policy",
    "misalignment_policy_violation": "content_policy",
    "image_content_policy_violation": "content_policy",
    "model_not_found": "model_not_found",
    "invalid_api_key": "authentication",
    "authentication_error": "authentication",
    "permission_error": "permission",
    "unsupported_country_region_territory": "permission",
    "request_too_large": "request_too_large",
    "server_is_overloaded": "overloaded",
    "server_overloaded": "overloaded",
    "slow_down": "overloaded",
    "vector_store_timeout": "timeout",
    "not_found": "not_found",
    **dict.fromkeys(
        (
            *("invalid_request_error", "invalid_image", "invalid_image_format", "invalid_base64_image"),
            *("invalid_image_url", "image_too_large", "image_too_small", "image_parse_error", "invalid_image_mode"),
            *("image_file_too_large", "unsupported_image_media_type", "empty_image_file"),
            *("failed_to_download_image", "image_file_not_found", "data_residency_mismatch"),
        ),
        "invalid_request",
    ),
}


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> VendorFailure:
    """Header names are in lower case."""
    document = decode_error(body)
    error = mapping(mapping(document).get("error"))
    failure = VendorFailure(
        error_words(document, body) or f"the upstream answered {status} without an explanation",
        kind=_kind(error, status),
        status=status,
        request_id=headers.get("x-request-id"),
        retry_after=retry_after(headers),
        param=text(error.get("param")) or None,
    )
    return context_length.judged(failure)


def read_stream_error(holder: Mapping[str, Json]) -> VendorFailure:
    """An error inside a 200: a failed response, or an ``error`` event in its flat or its nested form."""
    error = mapping(holder.get("error")) or holder
    kind = _kind(error, 500)
    failure = VendorFailure(
        error_words(error) or (_UNSAID if holder else NO_ANSWER),
        kind=kind,
        status=STATUS_OF[kind],
        param=text(error.get("param")) or None,
    )
    return context_length.judged(failure, unsaid=not error.get("code"))


def _kind(error: Mapping[str, Json], status: int) -> FailureKind:
    for word in (error.get("code"), error.get("type")):
        # A general type must not hide what the status knows.
        if (kind := _BY_CODE.get(text(word))) is not None and (kind != "invalid_request" or status not in KIND_OF):
            return kind
    return kind_of(status)
