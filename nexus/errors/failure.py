"""A vendor's error, read into neutral terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Literal

from nexus.dataclasses import dataclass

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
"""What vendors' errors can be told apart as."""


@dataclass(frozen=True, slots=True)
class VendorFailure:
    """``kind`` is found by status and code, context_length also by ``protocols/context_length``; ``message`` is the
    vendor's own wording, ``retry_after`` in seconds. ``param`` is the vendor's name of a field, until it is the
    client's: then ``vendor_param`` is the vendor's. ``wish`` is the header by which the vendor says whether
    to try again.

    ``in_band`` says that it came under a status that promised an answer; one that the client's own dialect told has the
    vendor's ``headers`` and bytes, ``verbatim``. ``uncountable`` says that the vendor cannot count the tokens of this
    request, so that an estimate can stand in.
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
