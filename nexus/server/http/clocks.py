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


class PhaseClock:
    """The timer of one request. ``late`` is called when a phase times out, with the error to answer, or None if the
    connection should just close. ``since`` is when the phase began.
    """

    def __init__(self, stream: ClientStream, clocks: Clocks, late: Callable[[ClientError | None], None]) -> None:
        self._stream = stream
        self._clocks = clocks
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: Callable[[PhaseClock], float] = lambda clock: clock.since
        self._words: str | None = None
        self.is_within_head = False
        self.since = stream.loop.time()

    def until_head(self) -> None:
        self._begin(lambda clock: clock.since + clock._clocks.keep_alive)

    def within_head(self) -> None:
        self._begin(
            lambda clock: clock.since + min(HEAD_SECONDS, clock._clocks.idle),
            "the request headers did not arrive in time",
        )
        self.is_within_head = True

    def within_body(self) -> None:
        self._begin(
            lambda clock: min(clock._stream.last_read + clock._clocks.idle, clock.since + clock._clocks.upload),
            "the request body did not arrive in time",
        )

    def while_discarding(self) -> None:
        self._begin(lambda clock: clock.since + DISCARD_SECONDS)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """Ends the timer with the request, and breaks the reference cycle with the connection."""
        self.stop()
        self._late = lambda error: None

    def _begin(self, deadline: Callable[[PhaseClock], float], words: str | None = None) -> None:
        self.stop()
        if not self._stream.closed():
            self._deadline, self._words, self.is_within_head = deadline, words, False
            self.since = self._stream.loop.time()
            self._timer = self._stream.loop.call_at(deadline(self), self._ring)

    def _ring(self) -> None:
        if self._stream.closed():
            return
        if (deadline := self._deadline(self)) > self._stream.loop.time():
            self._timer = self._stream.loop.call_at(deadline, self._ring)
            return
        self._timer = None
        self._late(None if self._words is None else RequestTimeout(self._words))
