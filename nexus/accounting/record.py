"""The record of a call and of each attempt at it: what logs, limits, ledgers and metrics are told when it is over;
and why an attempt failed, in words for the log.

Law: values only, never a prompt, a reply or a key; but for ``trace``, where ``[telemetry] capture_content`` says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Literal

from nexus.auth.identity import Identity
from nexus.call import Tags
from nexus.conversation.usage import Usage
from nexus.dataclasses import dataclass
from nexus.errors import (
    Cancelled,
    ClientError,
    Draining,
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

Phase = Literal["prepared", "sent", "answered", "content"]
"""How far an attempt came: nothing left, the request left, a head came back, something of the answer was passed on."""

KeyClass = Literal["configured", "caller"]
"""Whose key the vendor was shown."""

TokensKnown = Literal["yes", "partly", "no"]
"""Whether the vendor said what the attempt used: in full, in part (the answer was cut, or some of it was estimated), or
not at all. "yes" where it used nothing: it never got the request, or refused it."""


class Outcome(StrEnum):
    """How an attempt ended."""

    OK = "ok"
    REFUSED = "refused"
    """By the gateway itself."""

    VENDOR_ERROR = "vendor_error"
    IN_BAND_ERROR = "in_band_error"
    """An error under a status that promised an answer, before the first content or after it."""

    CUT = "cut"
    """No connection, or one that ended before the answer did."""

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
        case UpstreamStatus() | VendorError() | ProtocolError():
            return Outcome.VENDOR_ERROR
        case UpstreamError():
            return Outcome.CUT
        case _:
            return Outcome.BUG


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """``route`` is the configured name of the model, ``provider_type`` what its provider is; ``status`` is the
    vendor's, of an error under another status the one that it would have had; ``request_model`` is the vendor's name of
    the model as it was asked, ``model`` as it answered, ``stop`` its own word.

    ``vendor`` is OpenTelemetry's name of whom it reached, ``server`` host and port, ``span_id`` its span's where traces
    are told; ``events`` counts those that were passed on. ``raw_usage`` is the vendor's own object, also where it
    counts something else than tokens.

    ``cost`` is in nano-dollars, None where no price is known; ``price_source`` says where the price is from. Times are
    in seconds since the call came: when the attempt began, when the vendor's head was there, and the first content,
    when it ended.
    """

    number: int
    route: str
    provider_type: str
    request_model: str
    key: KeyClass | None
    phase: Phase
    outcome: Outcome
    status: int | None
    began: float
    answered: float | None
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

    @property
    def timeout(self) -> str:
        """What took too long: "dns", "connect", "tls", "first byte", "body", ...; "" for every other outcome."""
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
    """``at`` is when the call came, in Unix seconds; ``caller`` the address that it came from; ``model`` the name that
    was asked for; ``status`` and ``error`` what the client got. ``route`` is the last one, with the vendor's name of
    the model, ``target`` the same by its configured name. Times are in seconds: until a worker had the call, until the
    client had the first byte, in all, and ``own`` without the waiting for others.

    ``charges`` are what budgets were charged with.

    A request that was refused before it could be read as a call has no ``operation``, but ``method`` and ``path``;
    ``read`` counts the bytes of its body. ``request_id`` is the caller's own name for it, ``context`` its trace as the
    caller sent it, ``trace`` our span where traces are told.
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
    """Each attempt and each target that was skipped, with what came of it; "" where there was one attempt alone."""
    request_id: str | None = None
    context: TraceContext | None = None
    trace: CallTrace | None = None

    @property
    def trace_id(self) -> str | None:
        """Of the trace that the call belongs to, ours or the caller's."""
        found = self.trace or self.context
        return found.trace_id if found is not None else None

    @property
    def answer(self) -> AttemptRecord | None:
        """The attempt whose answer the client got, or the last that failed."""
        return self.attempts[-1] if self.attempts else None

    @property
    def outcome(self) -> Outcome:
        """The one that the call had, whatever became of its attempts."""
        return outcome_of(self.error)


Consumer = Callable[[CallRecord], None]
"""Told of every call once, on the loop: it must not block, and what it raises is its own failure."""


def milliseconds(seconds: float | None) -> float | None:
    """As people and tables are told it."""
    return None if seconds is None else round(1000 * max(0.0, seconds), 1)


ATTEMPT_FAILED = "attempt failed"
LONGEST = 300
"""Characters of somebody else's words."""

_CLIENTS_FAULT = frozenset({400, 413, 415, 422})
"""Statuses by which a vendor says that the request is wrong, not that it could not serve it."""


def reason(error: NexusError) -> str:
    """One line: a network's cause, a vendor's status and words, or our own message. What a vendor said is repeated from
    its error only, shortened, and without the keys that we sent it."""
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


def level_of(error: NexusError | None) -> int:
    """Of the line about a call: nobody's failure or the client's, the vendor's, ours."""
    match error:
        case None | Cancelled():
            return logging.INFO
        case UpstreamStatus() | VendorError() if error.status in _CLIENTS_FAULT:
            return logging.INFO
        case UpstreamError():
            return logging.WARNING
        case ClientError() if error.status < 500:
            return logging.INFO
        case _:
            return logging.ERROR
