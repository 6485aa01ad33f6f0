"""A timer that measures how late the loop is, and triggers the sampling of gauges.

Loop thread only; a beat takes microseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EVERY = 1.0
"""Seconds between beats."""


class Pulse:
    def __init__(self, beat: Callable[[float], None]) -> None:
        """``beat`` is called with the seconds by which the timer was late."""
        self._beat = beat
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """May be called more than once."""
        if self._timer is None:
            self._wind()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wind(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + EVERY
        self._timer = loop.call_at(self._due, self._late)

    def _late(self) -> None:
        self._beat(asyncio.get_running_loop().time() - self._due)
        self._wind()
