"""A vendor's errors are classified by status and code."""

import json
from typing import Any

import pytest

from nexus.protocols.messages.read_error import read_error


def error(kind: str, code: str | None = None, **members: Any) -> bytes:
    wire: dict[str, Any] = {"type": kind, "message": "The words"}
    if code:
        wire["details"] = {"error_code": code}
    return json.dumps({"type": "error", "error": wire, "request_id": "req_1"} | members).encode()


CASES: dict[str, tuple[int, bytes, str, str]] = {
    "invalid": (400, error("invalid_request_error"), "invalid_request", "The words"),
    "authentication": (401, error("authentication_error"), "authentication", "The words"),
    "billing": (402, error("billing_error"), "quota", "The words"),
    "billing reported as an invalid request": (402, error("invalid_request_error"), "quota", "The words"),
    "permission": (403, error("permission_error"), "permission", "The words"),
    "model": (404, error("not_found_error"), "model_not_found", "The words"),
    "file": (404, error("not_found_error", "file_expired"), "not_found", "The words"),
    "not found": (404, b"<html>", "not_found", "the vendor answered 404 without an explanation"),
    "too large": (413, error("request_too_large"), "request_too_large", "The words"),
    "too large reported as an invalid request": (413, error("invalid_request_error"), "request_too_large", "The words"),
    "rate": (429, error("rate_limit_error"), "rate_limit", "The words"),
    "spend limit": (429, error("rate_limit_error", "enforced_spend_limit_reached"), "quota", "The words"),
    "ramp": (429, error("rate_limit_error", "ramp_limit_exceeded"), "rate_limit", "The words"),
    "on hold": (400, error("invalid_request_error", "organization_on_hold"), "permission", "The words"),
    "api": (500, error("api_error"), "upstream", "The words"),
    "timeout": (504, error("timeout_error"), "timeout", "The words"),
    "overloaded": (529, error("overloaded_error"), "overloaded", "The words"),
    "busy proxy": (503, b"upstream connect error", "overloaded", "upstream connect error"),
    "unknown type": (418, error("teapot_error"), "invalid_request", "The words"),
    "unknown server error": (520, b"", "upstream", "the vendor answered 520 without an explanation"),
    "another host's shape": (429, b'{"message": "Slow down"}', "rate_limit", "Slow down"),
    "not an object": (400, b"[1]", "invalid_request", "[1]"),
    "not UTF-8": (500, b"\xff\xfe", "upstream", "\ufffd\ufffd"),
    "null members": (500, b'{"error": null, "request_id": 3}', "upstream", '{"error": null, "request_id": 3}'),
}


@pytest.mark.parametrize("case", CASES)
def test_errors_are_classified(case: str) -> None:
    status, body, kind, message = CASES[case]
    failure = read_error(status, {}, body)
    assert (failure.kind, failure.status, failure.message) == (kind, status, message)


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "0.5"}, 0.5), ({}, None)])
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert read_error(429, headers, b"").retry_after == seconds


def test_the_request_id_is_read() -> None:
    assert read_error(500, {"request-id": "req_h"}, error("api_error")).request_id == "req_1"
    assert read_error(500, {"request-id": "req_h"}, b"").request_id == "req_h"
    assert read_error(500, {"x-amzn-requestid": "amz"}, b"").request_id == "amz"
    assert read_error(500, {}, b"").request_id is None
