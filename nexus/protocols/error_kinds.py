"""HTTP statuses and the kinds of failure they stand for, if a vendor's own code says nothing more specific.

Vendors that use a status differently have their own rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors.failure import FailureKind, VendorFailure
from nexus.headers.forwarding import retry_after
from nexus.protocols import context_length

KIND_OF: Mapping[int, FailureKind] = {
    401: "authentication",
    402: "quota",
    403: "permission",
    404: "not_found",
    408: "timeout",
    413: "request_too_large",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}

STATUS_OF: Mapping[FailureKind, int] = {
    "invalid_request": 400,
    "authentication": 401,
    "permission": 403,
    "model_not_found": 404,
    "not_found": 404,
    "request_too_large": 413,
    "context_length": 400,
    "content_policy": 400,
    "rate_limit": 429,
    "quota": 429,
    "overloaded": 503,
    "timeout": 504,
    "upstream": 502,
}
"""The status that a failure inside a 200 would have had."""


def kind_of(status: int) -> FailureKind:
    """Any other status below 500 is the client's fault, from 500 on the vendor's."""
    return KIND_OF.get(status) or ("upstream" if status >= 500 else "invalid_request")


def refused(
    words: str, kind: FailureKind, status: int, headers: Mapping[str, str], ids: tuple[str, ...], param: str = ""
) -> VendorFailure:
    """An answer with an error status; ``ids`` are the headers, by lower-case names, that may hold the request's id."""
    id = next((headers[name] for name in ids if headers.get(name)), None)
    return context_length.judged(
        VendorFailure(words, kind, status, request_id=id, retry_after=retry_after(headers), param=param or None)
    )
