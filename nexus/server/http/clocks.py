"""Timeouts for each phase of a client's request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nexus.dataclasses import dataclass
from nexus.errors import ClientError, RequestTimeout
from nexus.server.http.client_stream import ClientStream

HEAD_SECONDS = 60.0
"""Maximum time for a head, from its first byte."""

DISCARD_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """Timeouts in seconds, and the maximum body size in bytes. ``idle`` limits pauses within a body, and the whole head
    if it is less than HEAD_SECONDS; ``upload`` limits the whole body, ``keep_alive`` the wait for a request."""

    idle: float
    upload: float
    keep_alive: float
    largest_body: int


Late = Callable[[ClientError | None], None]
Deadline = Callable[["PhaseClock"], float]


class PhaseClock:
    """The timer of a connection. ``late`` is called when a phase of a request times out, with the error to answer, or
    None if the connection should just close. ``since`` is when the phase began.

    The timer keeps running when a phase ends, and is set again only if it would fire too late: most phases end long
    before they time out.
    """

    __slots__ = ("_clocks", "_deadline", "_late", "_stream", "_timer", "_words", "is_within_head", "since")

    def __init__(self, stream: ClientStream) -> None:
        self._stream = stream
        self._clocks = Clocks(0, 0, 0, 0)
        self._late: Late | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: Deadline | None = None
        self._words: str | None = None
        self.is_within_head = False
        self.since = 0.0

    def until_head(self, clocks: Clocks, late: Late) -> None:
        """Begins a request, whose timeouts are ``clocks``."""
        self._clocks, self._late = clocks, late
        self._begin(
            lambda clock: clock.since + (clock._head if clock._stream.is_greeting else clock._clocks.keep_alive)
        )

    def within_head(self) -> None:
        self._begin(lambda clock: clock.since + clock._head, "the request headers did not arrive in time")
        self.is_within_head = True

    def within_body(self) -> None:
        self._begin(
            lambda clock: min(clock._stream.last_read + clock._clocks.idle, clock.since + clock._clocks.upload),
            "the request body did not arrive in time",
        )

    def while_discarding(self) -> None:
        self._begin(lambda clock: clock.since + DISCARD_SECONDS)

    def stop(self) -> None:
        self._deadline = None

    def end(self) -> None:
        """Ends the request, and breaks the reference cycle with it."""
        self._deadline = self._late = None

    def close(self) -> None:
        """Cancels the timer; the connection has ended."""
        self.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _head(self) -> float:
        """Seconds for a head, and for what TLS begins with."""
        return min(HEAD_SECONDS, self._clocks.idle)

    def _begin(self, deadline: Deadline, words: str | None = None) -> None:
        if self._stream.closed():
            return
        self._words, self.is_within_head = words, False
        self.since = self._stream.loop.time()
        self._deadline = deadline
        due = deadline(self)
        if self._timer is not None and self._timer.when() > due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._stream.loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._deadline is None or self._late is None or self._stream.closed():
            return
        if (due := self._deadline(self)) > self._stream.loop.time():
            self._timer = self._stream.loop.call_at(due, self._fire)
            return
        self._deadline = None
        self._late(None if self._words is None else RequestTimeout(self._words))
