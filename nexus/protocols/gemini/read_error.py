"""A vendor's error (``google.rpc.Status``), read into neutral terms by its code and typed details, from a response or a
stream. Sources: ai.google.dev/gemini-api/docs/troubleshooting, google/rpc/{code,error_details}.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nexus.errors.failure import FailureKind, VendorFailure
from nexus.headers.forwarding import retry_after as asked_pause
from nexus.protocols import context_length
from nexus.protocols.error_words import NO_ANSWER, by_code, decode_error, error_words, kind_of_status
from nexus.wire import Json, count, mapping, sequence, text

_BY_CODE: Mapping[str, FailureKind] = by_code(
    {
        "invalid_request": "INVALID_ARGUMENT FAILED_PRECONDITION OUT_OF_RANGE UNIMPLEMENTED ALREADY_EXISTS",
        "authentication": "UNAUTHENTICATED",
        "permission": "PERMISSION_DENIED",
        "model_not_found": "NOT_FOUND",
        "rate_limit": "RESOURCE_EXHAUSTED",
        "overloaded": "UNAVAILABLE",
        "timeout": "DEADLINE_EXCEEDED",
        "upstream": "CANCELLED ABORTED INTERNAL UNKNOWN DATA_LOSS",
    }
)
_BY_REASON: Mapping[str, FailureKind] = by_code(
    {
        "authentication": "API_KEY_INVALID API_KEY_EXPIRED ACCESS_TOKEN_EXPIRED ACCESS_TOKEN_TYPE_UNSUPPORTED "
        "CREDENTIALS_MISSING",
        "permission": "SERVICE_DISABLED BILLING_DISABLED CONSUMER_INVALID CONSUMER_SUSPENDED API_KEY_SERVICE_BLOCKED "
        "API_KEY_HTTP_REFERRER_BLOCKED API_KEY_IP_ADDRESS_BLOCKED",
        "rate_limit": "RATE_LIMIT_EXCEEDED",
        "quota": "QUOTA_EXCEEDED",
    }
)
_BY_STATUS: Mapping[int, FailureKind] = {404: "model_not_found", 409: "upstream"}
_REQUEST_IDS = ("x-goog-request-id", "x-request-id", "x-cloud-trace-context")


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> VendorFailure:
    document = decode_error(body)
    error = find_error(document)
    request_id = next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)
    if error is None:
        error = {"message": error_words(document, body)}
    return _read_status(error, status, request_id, asked_pause(headers))


def find_error(value: Json) -> Mapping[str, Json] | None:
    """The Status object in an error body, which Google wraps in an array if a stream was requested."""
    for item in sequence(value) or (value,):
        if isinstance(error := mapping(item).get("error"), dict):
            return error
    return None


def is_answer(body: Mapping[str, Json]) -> bool:
    """Whether a 200 contains an answer, even an empty one."""
    return not {"candidates", "promptFeedback", "usageMetadata"}.isdisjoint(body)


def read_stream_error(wire: Mapping[str, Json]) -> VendorFailure:
    """An error inside a 200, or anything else that is not an answer."""
    return _read_status(find_error(wire) or {"message": error_words(wire) or NO_ANSWER}, None)


def _read_status(
    error: Mapping[str, Json], status: int | None, request_id: str | None = None, retry_after: float | None = None
) -> VendorFailure:
    """A Status object; ``status`` is the HTTP status, None inside a stream."""
    code = status or count(error.get("code")) or 502
    kind = _kind(error, code)
    if kind == "authentication" and code == 400:
        # Google answers 400 to a wrong API key.
        code = 401
    for detail in _details(error, "RetryInfo"):
        retry_after = retry_after if retry_after is not None else _seconds(text(detail.get("retryDelay")))
    for detail in _details(error, "RequestInfo"):
        request_id = request_id or text(detail.get("requestId")) or None
    message = error_words(error) or f"the vendor answered {code} without an explanation"
    failure = VendorFailure(message, kind=kind, status=code, request_id=request_id, retry_after=retry_after)
    return context_length.judged(failure)


def _kind(error: Mapping[str, Json], status: int) -> FailureKind:
    if status == 413:
        return "request_too_large"
    for detail in _details(error, "ErrorInfo"):
        if (reason := text(detail.get("reason"))) in _BY_REASON:
            return _BY_REASON[reason]
    kind = (
        _BY_CODE.get(text(error.get("status")))
        or _BY_STATUS.get(status)
        or (kind_of_status(status) if status >= 400 else "upstream")
    )
    return "quota" if kind == "rate_limit" and _used_up(error) else kind


def _used_up(error: Mapping[str, Json]) -> bool:
    """A daily quota is exhausted, or there never was one: waiting a minute will not help."""
    for detail in _details(error, "QuotaFailure"):
        for violation in map(mapping, sequence(detail.get("violations"))):
            if "PerDay" in text(violation.get("quotaId")) or str(violation.get("quotaValue")) == "0":
                return True
    return False


def _details(error: Mapping[str, Json], kind: str) -> Iterator[Mapping[str, Json]]:
    for detail in map(mapping, sequence(error.get("details"))):
        if text(detail.get("@type")).endswith(f"google.rpc.{kind}"):
            yield detail


def _seconds(duration: str) -> float | None:
    """A ``google.protobuf.Duration``: "12s" and "12.5s"."""
    try:
        seconds = float(duration.removesuffix("s"))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e9 else None
