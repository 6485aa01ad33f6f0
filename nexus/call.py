"""One client request: who asked what, how it goes, and the switch that ends it.

Law: a Call is created by a handler and finished exactly once, on the loop thread. Everything before ``route`` is
fixed when it is made; the rest is written by one thread at a time. ``Cancel`` is the only part that any thread may
touch at any moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from nexus.errors import NexusError
from nexus.usage import Usage
from nexus.wire import Json

if TYPE_CHECKING:
    from nexus.routing import Route


Action = Literal["generate", "count_tokens"]


class Cancel:
    """A one-way switch. Whoever blocks registers a callback that unblocks it; throwing runs each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next = 0
        self.event = threading.Event()
        self.reason: NexusError | None = None

    def throw(self, reason: NexusError) -> None:
        """End the call for ``reason``; the first one stays."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
            self.event.set()
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raises the reason once the switch was thrown."""
        if self.reason is not None:
            raise self.reason

    def add(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Registers ``callback`` (run at once when already thrown); returns what takes it back."""
        with self._lock:
            thrown = self.reason is not None
            token = self._next
            self._next += 1
            if not thrown:
                self._callbacks[token] = callback
        if thrown:
            callback()

        def remove() -> None:
            with self._lock:
                self._callbacks.pop(token, None)

        return remove


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
    """``headers`` have lower-case names; ``document`` is ``body`` decoded; ``model`` is the original model."""

    id: str
    dialect: str
    caller: str
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
    status: int | None = None
    error: NexusError | None = None
