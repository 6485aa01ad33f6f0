"""Bounds per provider: concurrent calls, and retries of the same candidate.

Thread-safe; never blocks. State is kept by the provider's name, so that it survives a reload. Every ``enter`` needs a
``leave``.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable

from nexus.processes.counter_rows import ProcessRows, Rows

SHARE = 0.2
"""Retries that each call adds to its provider's retry budget: one call in five may be retried."""

A_SECOND = 1.0
MOST = 10.0
"""The retry budget per provider: the retries that each second adds, and the maximum, with which it starts."""


class Rooms:
    """``max_concurrency``: calls in flight at each provider, over all processes on this machine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        rows = Rows()
        self.share(rows, rows.parts[0])

    def share(self, rows: Rows, part: ProcessRows) -> None:
        """Applies the bounds to all of ``rows`` together from now on, and counts calls in ``part``, that of this
        process."""
        self._rows, self._part = rows, part

    def running(self, provider: str) -> int:
        """Calls in flight in this process."""
        return self._part.value(_row_of(provider))

    def enter(self, provider: str, most: int | None) -> bool:
        """Returns whether there was room; if so, ``leave`` must follow. Counts without a bound too, because the next
        configuration may set one."""
        name = _row_of(provider)
        with self._lock:
            row = self._part.row(name, 1, ends=True)
            row[0] += 1
            if most is None or self._rows.total(name) <= most:
                return True
            row[0] -= 1
            return False

    def leave(self, provider: str) -> None:
        with self._lock:
            self._part.row(_row_of(provider), 1, ends=True)[0] -= 1


@functools.cache
def _row_of(provider: str) -> str:
    return json.dumps(["rooms", provider])


class RetryBudgets:
    """Limits retries of the same candidate, so that they do not make an outage worse. Moving on to another is free."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}
        """By provider: the retries left, and at what time."""

    def pay(self, provider: str) -> None:
        """Adds a new call's share."""
        self._change(provider, SHARE)

    def take(self, provider: str) -> bool:
        """Takes one retry; returns whether the budget allows it."""
        return self._change(provider, -1.0)

    def _change(self, provider: str, amount: float) -> bool:
        with self._lock:
            now = self._clock()
            left, then = self._left.get(provider, (MOST, now))
            left = min(MOST, left + (now - then) * A_SECOND)
            enough = left + amount >= 0
            self._left[provider] = (min(MOST, left + amount) if enough else left, now)
            return enough
