"""The record of a call and of each attempt at it: what logs, limits, ledgers and metrics are told when it is over.

Law: values only, never a prompt, a reply or a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from nexus.auth.identity import Identity
from nexus.call import Tags
from nexus.conversation.usage import Usage
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
from nexus.operation import Operation

Phase = Literal["prepared", "sent", "answered", "content"]
"""How far an attempt came: nothing left, the request left, a head came back, something of the answer was passed on."""

KeyClass = Literal["house", "caller"]
"""Whose key the vendor was shown."""


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
    """``status`` is the vendor's, of an error under another status the one that it would have had; ``model`` is the
    vendor's name of it in its answer, ``stop`` its own word. Times are in seconds since the call came: when the attempt
    began, when the vendor's head was there, when it ended.
    """

    number: int
    route: str
    key: KeyClass | None
    phase: Phase
    outcome: Outcome
    status: int | None
    began: float
    answered: float | None
    ended: float
    model: str | None
    stop: str | None
    usage: Usage | None
    error: NexusError | None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """``model`` is the name that was asked for, ``status`` and ``error`` are what the client got. Times are in seconds:
    until the client had the first byte, in all, and ``own`` without the waiting for others.
    """

    id: str
    caller: str
    identity: Identity
    tags: Tags
    protocol: str
    operation: Operation
    model: str
    route: str | None
    stream: bool
    status: int | None
    error: NexusError | None
    first: float | None
    total: float
    own: float | None
    dropped: tuple[str, ...]
    attempts: tuple[AttemptRecord, ...]

    @property
    def answer(self) -> AttemptRecord | None:
        """The attempt whose answer the client got, or the last that failed."""
        return self.attempts[-1] if self.attempts else None


Consumer = Callable[[CallRecord], None]
"""Told of every call once, on the loop: it must not block, and what it raises is its own failure."""
