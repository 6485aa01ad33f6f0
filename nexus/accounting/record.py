"""The record of a call and of each attempt at it: what logs, limits, ledgers and metrics are told when it is over.

Law: values only, never a prompt, a reply or a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nexus.auth.identity import Identity
from nexus.call import Tags
from nexus.conversation.usage import Usage
from nexus.errors import NexusError
from nexus.upstream.request import Action

Phase = Literal["prepared", "sent", "answered", "content"]
"""How far an attempt came: nothing left, the request left, a head came back, something of the answer was passed on."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """``model`` is the vendor's name of it in its answer, ``stop`` its own word; ``status`` is the vendor's where it
    answered with an error.
    """

    number: int
    route: str
    phase: Phase
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
    action: Action
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
