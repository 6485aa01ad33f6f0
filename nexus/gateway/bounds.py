"""Bounds of each provider: how many calls may run there, and how often a call may be tried again at the same place.

Thread-safe and never waiting; kept by the provider's name, so that it survives a reload. What is entered is left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from nexus.processes.tally import Tally

SHARE = 0.2
"""What each call pays into its provider's budget: one in five may be tried again."""

A_SECOND = 1.0
MOST = 10.0
"""What time pays into it, and what it holds at the most; it starts full."""


class Rooms:
    """``max_concurrency``: calls that run at each provider, in all processes of this machine."""

    def __init__(self) -> None:
        self._tally: Tally | None = None
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}

    def share(self, tally: Tally) -> None:
        """From now on the bounds are those of all processes together."""
        self._tally = tally

    def running(self, provider: str) -> int:
        """In this process."""
        return self._running.get(provider, 0)

    def enter(self, provider: str, most: int | None) -> bool:
        """Whether there was room; then it has to be left. Where there is no bound it is counted all the same, for one
        may come with the next configuration."""
        with self._lock:
            running = self._running.get(provider, 0) + 1
            everywhere = running if self._tally is None else self._tally.add(provider)
            if most is not None and everywhere > most:
                if self._tally is not None:
                    self._tally.take(provider)
                return False
            self._running[provider] = running
            return True

    def leave(self, provider: str) -> None:
        with self._lock:
            self._running[provider] -= 1
            if self._tally is not None:
                self._tally.take(provider)
            if not self._running[provider]:
                del self._running[provider]


class Budgets:
    """Retries at the same place, so that an outage is not made worse by its own retries. Moving on is free."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}
        """By provider: what is left, and when that was so."""

    def pay(self, provider: str) -> None:
        """A call begins there."""
        self._change(provider, SHARE)

    def take(self, provider: str) -> bool:
        """Whether one more try may be made there."""
        return self._change(provider, -1.0)

    def _change(self, provider: str, amount: float) -> bool:
        with self._lock:
            now = self._clock()
            left, then = self._left.get(provider, (MOST, now))
            left = min(MOST, left + (now - then) * A_SECOND)
            enough = left + amount >= 0
            self._left[provider] = (min(MOST, left + amount) if enough else left, now)
            return enough
