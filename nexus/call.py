"""One client request: who asked what, how it goes, and the switch that ends it.

Law: a Call is created by a handler and finished exactly once, on the loop thread. Everything before ``times`` is
fixed when it is made; the rest is written by one thread at a time, but for ``cancel``, which any thread may throw.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nexus.auth.identity import Identity
from nexus.cancel import Cancel
from nexus.errors import NexusError
from nexus.upstream import Action
from nexus.usage import Usage
from nexus.wire import Json

if TYPE_CHECKING:
    from nexus.limits.admission import Reservation
    from nexus.routing import Route


@dataclass(slots=True)
class Tap:
    """What is read off the bytes that pass: filled on success, on failure and when the client left."""

    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None


@dataclass(slots=True)
class Times:
    """Monotonic seconds. ``upstream`` grows while a worker waits for others; ``waited`` is what it was at the head."""

    received: float = field(default_factory=time.monotonic)
    first_byte: float | None = None
    upstream: float = 0.0
    waited: float = 0.0

    def mark_first_byte(self) -> None:
        if self.first_byte is None:
            self.first_byte = time.monotonic()


@dataclass(slots=True)
class Call:
    """``headers`` have lower-case names; ``document`` is ``body`` decoded; ``model`` is the original model.

    ``caller`` is the address that the call came from, ``identity`` who made it.
    """

    id: str
    dialect: str
    caller: str
    identity: Identity
    headers: Mapping[str, str]
    query: str
    body: bytes
    document: Mapping[str, Json]
    model: str
    stream: bool
    action: Action = "generate"
    times: Times = field(default_factory=Times)
    cancel: Cancel = field(default_factory=Cancel)
    route: Route | None = None
    attempts: int = 0
    dropped: list[str] = field(default_factory=list)
    tap: Tap = field(default_factory=Tap)
    held: Reservation | None = None
    streamed: int = 0
    status: int | None = None
    error: NexusError | None = None
