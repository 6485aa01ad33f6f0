"""``google.rpc.Status``: the errors of the Gemini API and of Vertex AI.

Pure functions from a Behaviour to values. Sources: google/rpc/{code,error_details}.proto,
ai.google.dev/gemini-api/docs/troubleshooting.
"""

from __future__ import annotations

import json
from typing import Any

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.vendors import error_words

CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"
TYPE = "type.googleapis.com/google.rpc."
IN_BAND = 503
"""The code of an error inside a stream with status 200."""


def status(behaviour: Behaviour, service: str) -> dict[str, Any]:
    code = behaviour.status if behaviour.status >= 400 else IN_BAND
    error: dict[str, Any] = {
        "code": code,
        "message": error_words(behaviour),
        "status": behaviour.error_type or CODES.get(code, "UNKNOWN" if code >= 500 else "FAILED_PRECONDITION"),
    }
    if details := _details(behaviour, code, service):
        error["details"] = details
    return {"error": error}


def body(behaviour: Behaviour, service: str) -> bytes:
    return json.dumps(status(behaviour, service), indent=2).encode()


def _details(behaviour: Behaviour, code: int, service: str) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    if code == 429:
        violation = {
            "quotaMetric": f"{service}/generate_content_requests",
            "quotaId": behaviour.error_code or PER_MINUTE,
            "quotaValue": "10",
        }
        details.append({"@type": TYPE + "QuotaFailure", "violations": [violation]})
    elif behaviour.error_code:
        info = {"reason": behaviour.error_code, "domain": "googleapis.com", "metadata": {"service": service}}
        details.append({"@type": TYPE + "ErrorInfo"} | info)
    elif code == 400 and behaviour.message:
        violations = [
            {"field": field, "description": words}
            for field, colon, words in (line.partition(": ") for line in behaviour.message.split("; "))
            if colon
        ]
        if violations:
            details.append({"@type": TYPE + "BadRequest", "fieldViolations": violations})
    if behaviour.retry_delay is not None:
        details.append({"@type": TYPE + "RetryInfo", "retryDelay": f"{behaviour.retry_delay:g}s"})
    return details
