"""A vendor's error in neutral terms."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from nexus.dataclasses import dataclass, field

FailureKind = Literal[
    "invalid_request",
    "authentication",
    "permission",
    "model_not_found",
    "not_found",
    "request_too_large",
    "context_length",
    "content_policy",
    "rate_limit",
    "quota",
    "overloaded",
    "timeout",
    "upstream",
]
"""The kinds of vendors' errors."""


_ALSO_FAILURES = frozenset({400, 409, 424, 499})
"""Statuses below 500 with which Groq (what its model wrote), Google (ABORTED, CANCELLED) and Bedrock
(ModelErrorException) report their own failures."""


def has_failed(kind: FailureKind, status: int) -> bool:
    """Whether the vendor failed, whatever the request was."""
    return status >= 500 or (kind == "upstream" and status in _ALSO_FAILURES)


@dataclass(frozen=True, slots=True)
class VendorFailure:
    """``kind`` follows from status and code, context_length also from ``protocols/context_length``. ``message`` is the
    vendor's own wording; ``retry_after`` is in seconds. ``param`` is the vendor's name of a field until it is
    replaced by the client's, and then ``vendor_param`` is the vendor's. ``wish`` is the header in which the vendor
    says whether to retry.

    ``in_band``: it arrived after a success status. One in the client's own dialect has the vendor's ``headers``, and
    its bytes in ``verbatim``. ``uncountable``: the vendor cannot count the tokens of this request, so use an estimate.
    """

    message: str
    kind: FailureKind
    status: int
    request_id: str | None = None
    retry_after: float | None = None
    param: str | None = None
    vendor_param: str = ""
    provider: str = ""
    retryable: bool = False
    in_band: bool = False
    uncountable: bool = False
    wish: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    verbatim: bytes = b""

    @property
    def is_miswritten(self) -> bool:
        """Whether the vendor rejects what its own model wrote, as Groq does."""
        return (self.kind, self.status) == ("upstream", 400)

    @property
    def told(self) -> int:
        """The status for clients of other dialects; their SDKs retry no 400."""
        return 502 if self.is_miswritten else self.status
