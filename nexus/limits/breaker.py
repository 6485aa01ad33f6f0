"""Circuit breaker: keeps calls away from a service that is down, except for one probe at a time.

Any thread; never waits. While it is open, one call every ``pause`` seconds passes as a probe, and only a probe's
success closes it: the success of a call that began before the failure proves nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

Pass = Literal["normal", "probe"]


class Breaker:
    def __init__(self, pause: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._next: float | None = None

    @property
    def is_open(self) -> bool:
        return self._next is not None

    def enter(self) -> Pass | None:
        """How this call may proceed; None if it must not."""
        if self._next is None:
            return "normal"
        with self._lock:
            now = self._clock()
            if self._next is None:
                return "normal"
            if now < self._next:
                return None
            self._next = now + self._pause
            return "probe"

    def failed(self) -> bool:
        """Records a failure; returns whether it is the first of a series."""
        with self._lock:
            first = self._next is None
            self._next = self._clock() + self._pause
            return first

    def succeeded(self, entered: Pass) -> bool:
        """Records a success; returns whether it ends a series of failures."""
        if entered != "probe":
            return False
        with self._lock:
            ended = self._next is not None
            self._next = None
            return ended
