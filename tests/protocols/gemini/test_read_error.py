"""Google's errors are classified by status and structured codes."""

import json
from typing import Any

import pytest

from nexus.protocols.gemini.read_error import read_error

from .kit import RECORDED

DETAIL = "type.googleapis.com/google.rpc."


def body(case: str) -> bytes:
    return (RECORDED.folder / "errors" / f"{case}.json").read_bytes()


def status_body(status: str, *details: dict[str, Any]) -> bytes:
    return json.dumps({"error": {"message": "m", "status": status, "details": details}}).encode()


@pytest.mark.parametrize(
    ("case", "status", "kind", "told", "retry_after"),
    [
        ("bad_key", 400, "authentication", 401, None),
        ("per_minute", 429, "rate_limit", 429, 34.07),
        ("per_day", 429, "quota", 429, 3.0),
        ("array", 503, "overloaded", 503, None),
    ],
)
def test_recorded_errors_are_classified(
    case: str, status: int, kind: str, told: int, retry_after: float | None
) -> None:
    error = read_error(status, {"x-request-id": "r1"}, body(case))
    assert (error.kind, error.status, error.retry_after, error.request_id) == (kind, told, retry_after, "r1")
    recorded = json.loads(body(case))
    recorded = recorded[0] if isinstance(recorded, list) else recorded
    assert error.message == recorded["error"]["message"]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "INVALID_ARGUMENT", "invalid_request"),
        (400, "FAILED_PRECONDITION", "invalid_request"),
        (401, "UNAUTHENTICATED", "authentication"),
        (403, "PERMISSION_DENIED", "permission"),
        (404, "NOT_FOUND", "model_not_found"),
        (429, "RESOURCE_EXHAUSTED", "rate_limit"),
        (500, "INTERNAL", "upstream"),
        (503, "UNAVAILABLE", "overloaded"),
        (504, "DEADLINE_EXCEEDED", "timeout"),
        (418, "BRAND_NEW", "invalid_request"),
        (599, "BRAND_NEW", "upstream"),
        (413, "INVALID_ARGUMENT", "request_too_large"),
    ],
)
def test_errors_are_classified_by_code(status: int, code: str, kind: str) -> None:
    error = read_error(status, {}, status_body(code))
    assert (error.kind, error.status) == (kind, status)


def test_reasons_and_request_ids_are_read_from_details() -> None:
    raw = status_body(
        "PERMISSION_DENIED",
        {"@type": DETAIL + "ErrorInfo", "reason": "API_KEY_EXPIRED"},
        {"@type": DETAIL + "RequestInfo", "requestId": "r7"},
    )
    error = read_error(403, {}, raw)
    assert (error.kind, error.status, error.request_id) == ("authentication", 403, "r7")


def test_a_quota_of_zero_is_a_quota_error() -> None:
    raw = status_body("RESOURCE_EXHAUSTED", {"@type": DETAIL + "QuotaFailure", "violations": [{"quotaValue": "0"}]})
    assert read_error(429, {}, raw).kind == "quota"


def test_the_retry_after_header_overrides_the_detail() -> None:
    assert read_error(429, {"retry-after": "7"}, body("per_minute")).retry_after == 7
