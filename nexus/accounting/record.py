"""The records of a call and its attempts that logs, limits, ledger and metrics get when it is over; and the reason for
a failure, in words for the log.

Law: values only, never a prompt, a reply or a key; except ``trace``, if ``[telemetry] capture_content`` enables it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Literal

from nexus.auth.identity import Identity
from nexus.call import Tags
from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass, field
from nexus.errors import (
    Cancelled,
    ClientError,
    Draining,
    ErrorAnswer,
    NexusError,
    ProtocolError,
    UpstreamError,
    UpstreamStatus,
    UpstreamTimeout,
    VendorError,
)
from nexus.headers.tracing import CallTrace, TraceContext
from nexus.protocols.error_words import decode_error, error_words
from nexus.protocols.operation import Operation
from nexus.wire import Json

KeyClass = Literal["configured", "caller"]
"""Whose key was sent to the vendor."""

TokensKnown = Literal["yes", "partly", "no"]
"""Whether the vendor reported the attempt's usage: fully, partly (the answer was cut, or part is estimated), or not at
all. "yes" if nothing was used: the vendor never got the request, or rejected it."""


LONGEST_NAME = 256
"""Maximum length of a name in a record that a client or a vendor chose."""


class Outcome(StrEnum):
    """How an attempt ended."""

    OK = "ok"
    REFUSED = "refused"
    """Rejected by the gateway itself."""

    VENDOR_ERROR = "vendor_error"
    IN_BAND_ERROR = "in_band_error"
    """An error inside a response with a success status, before or after the first content."""

    CUT = "cut"
    """No connection, or one that ended before the answer."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    DRAINED = "drained"
    BUG = "bug"


def outcome_of(error: NexusError | None) -> Outcome:
    match error:
        case None:
            return Outcome.OK
        case Cancelled():
            return Outcome.CANCELLED
        case Draining():
            return Outcome.DRAINED
        case ClientError():
            return Outcome.REFUSED
        case UpstreamTimeout():
            return Outcome.TIMEOUT
        case UpstreamError(in_band=True):
            return Outcome.IN_BAND_ERROR
        case ErrorAnswer() | ProtocolError():
            return Outcome.VENDOR_ERROR
        case UpstreamError():
            return Outcome.CUT
        case _:
            return Outcome.BUG


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """``route`` is the configured name of the model; ``status`` is the vendor's, or for an error inside a successful
    response the status it stands for; ``request_model`` is the vendor's model name in the request, ``model`` in the
    answer, ``stop`` the vendor's stop reason.

    ``vendor`` is OpenTelemetry's name of the vendor, ``server`` its host and port, ``span_id`` the attempt's span if
    traces are exported; ``events`` counts those passed on. ``raw_usage`` is the vendor's own usage object, also if it
    counts something other than tokens.

    ``cost`` is in nano-dollars, None if no price is known; ``price_source`` is where the price is from. Times are in
    seconds since the call came: when the attempt began, when the first content arrived, when the attempt ended.
    ``in_ledger``: its row was written before the call ended.
    """

    number: int
    route: str
    request_model: str
    key: KeyClass | None
    outcome: Outcome
    status: int | None
    began: float
    first_content: float | None
    ended: float
    model: str | None
    stop: str | None
    usage: Usage | None
    tokens_known: TokensKnown
    error: NexusError | None
    cost: int | None = None
    price_source: str = ""
    vendor: str = ""
    server: str = ""
    span_id: str = ""
    events: int = 0
    raw_usage: Mapping[str, Json] | None = field(default=None, repr=False)
    in_ledger: bool = False

    @property
    def timeout(self) -> str:
        """The phase that timed out: "dns", "connect", "tls", "first byte", "body", ...; "" for every other outcome."""
        if self.outcome is not Outcome.TIMEOUT:
            return ""
        return (self.error.phase if isinstance(self.error, UpstreamError) else "") or "silence"


@dataclass(frozen=True, slots=True)
class Charge:
    """What an attempt adds to one period of a budget, in nano-dollars."""

    budget: str
    subject: str
    period: str
    nano: int


@dataclass(frozen=True, slots=True)
class CallRecord:
    """``at`` is when the call came, in Unix seconds; ``caller`` its address; ``model`` the requested name; ``status``
    and ``error`` what the client got. ``route`` is the last one, with the vendor's name of the model, ``target`` the
    same by its configured name. Times are in seconds: until a worker took the call, until the client's first byte, in
    total, and ``own`` without waiting for others.

    ``charges`` are what budgets were charged.

    A request that was rejected before it could be read as a call has no ``operation``, but ``method`` and ``path``;
    ``read`` is the number of body bytes read. ``request_id`` is the caller's own id for it, ``context`` its trace as
    the caller sent it, ``trace`` our span if traces are exported.
    """

    id: str
    at: float
    caller: str
    identity: Identity | None
    protocol: str
    status: int | None
    error: NexusError | None
    total: float
    tags: Tags = field(default_factory=Tags)
    operation: Operation | None = None
    model: str = ""
    route: str | None = None
    stream: bool = False
    queued: float | None = None
    first: float | None = None
    own: float | None = None
    dropped: tuple[str, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    target: str | None = None
    charges: tuple[Charge, ...] = ()
    user_agent: str = ""
    method: str = ""
    path: str = ""
    read: int | None = None
    tried: str = ""
    """Each attempt and each skipped target with its outcome; "" if there was only one attempt."""
    request_id: str | None = None
    context: TraceContext | None = None
    trace: CallTrace | None = None

    @property
    def trace_id(self) -> str | None:
        """The id of the call's trace, ours or the caller's."""
        found = self.trace or self.context
        return found.trace_id if found is not None else None

    @property
    def claims(self) -> bool:
        """Whether it records usage of earlier calls, which no other call records."""
        return self.operation is not None and not self.operation.spends and any(one.usage for one in self.attempts)

    @property
    def answer(self) -> AttemptRecord | None:
        """The attempt whose answer the client got, or the last one that failed."""
        return self.attempts[-1] if self.attempts else None

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.error)


Consumer = Callable[[CallRecord], None]
"""Called once for every call, on the loop: it must not block; its exceptions do not affect the call."""


def milliseconds(seconds: float | None) -> float | None:
    """Milliseconds as shown to people and stored, rounded to 0.1."""
    if seconds is None:
        return None
    # round() to a digit takes three times as long.
    return int(10_000 * seconds + 0.5) / 10 if seconds > 0 else 0.0


ATTEMPT_FAILED = "attempt failed"
LONGEST = 300
"""Maximum length of a reason."""

_CLIENTS_FAULT = frozenset({400, 413, 415, 422})
"""Statuses by which a vendor blames the request, not itself."""


def reason(error: NexusError) -> str:
    """The reason in one line: a network error's cause, a vendor's status and message, or our own message. Of a vendor's
    answer only the error message is quoted, truncated and with our keys redacted."""
    match error:
        case UpstreamError(why=str(why)) if why:
            words = why
        case UpstreamStatus():
            vendor_words = error_words(decode_error(error.body), error.body)
            words = f"{error.message}: {vendor_words}" if vendor_words else error.message
        case VendorError():
            words = f"{error.provider} answered {error.status}: {error.message}"
        case _:
            words = error.message
    return words[:LONGEST]


def log_level_of(error: NexusError | None) -> int:
    """The log level of a call's line: INFO for success and client errors, WARNING for vendors' errors, ERROR for
    ours."""
    match error:
        case None | Cancelled():
            return logging.INFO
        case ErrorAnswer() if error.status in _CLIENTS_FAULT:
            return logging.INFO
        case UpstreamError():
            return logging.WARNING
        case ClientError() if error.status < 500:
            return logging.INFO
        case _:
            return logging.ERROR
