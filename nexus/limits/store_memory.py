"""The limit store in this process's memory.

Any thread; one lock, never held while waiting; time is monotonic. A window that still counts something is never
forgotten. Every decision checks a few windows in turn and drops those that no longer count anything. If ``max_keys``
windows all still count, a caller that needs a new one gets a 503 until one of them is over; callers that have a window
are not affected.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from nexus.errors import Overloaded
from nexus.limits.combining_lock import CombiningLock
from nexus.limits.quota import Change, Demand, Granted, Loop, Refused
from nexus.limits.window import Window, at_least, book, reserve

MAX_KEYS = 100_000
"""At 1.6 kB per window."""

SWEPT_FOR_NEW = 4
"""Windows checked for each one that is added, so that expired ones never pile up; other decisions check one."""

SWEPT_WHEN_FULL = 64


def monotonic() -> int:
    """Monotonic time in microseconds."""
    return time.monotonic_ns() // 1000


class MemoryStore:
    blocks = False
    is_cut_off = False

    def __init__(self, clock: Callable[[], int] = monotonic, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._lock = CombiningLock(self._change, threading.Lock())
        self._windows: OrderedDict[str, Window] = OrderedDict()

    def ping(self) -> None:
        return None

    def reserve(self, demands: Sequence[Demand]) -> Granted | Refused:
        with self._lock:
            now = self._clock()
            windows = self._opened(now, demands)
            decision = reserve(now, demands, windows)
            if isinstance(decision, Granted):
                self._keep(demands, windows)
            return decision

    async def reserve_on_loop(self, demands: Sequence[Demand], loop: Loop) -> Granted | Refused:
        return self.reserve(demands)

    def book(self, demands: Sequence[Demand]) -> Granted:
        """Counts what another store already granted. Raises Overloaded."""
        with self._lock:
            now = self._clock()
            windows = self._opened(now, demands)
            for window in windows:
                window.advance(now)
            self._keep(demands, windows)
            return book(now, demands, windows)

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        if changes := granted.changes(amounts):
            self._lock.change(changes)

    def restore(self, spent: Sequence[Demand]) -> None:
        """Restores what counted before a restart, as far as there is room."""
        with self._lock:
            now = self._clock()
            for demand in spent:
                key = demand.quota.key
                if key in self._windows or len(self._windows) < self._max_keys:
                    at_least(now, demand, self._windows.setdefault(key, Window(demand.quota.interval)))

    def close(self) -> None:
        return None

    def __len__(self) -> int:
        return len(self._windows)

    def _change(self, changes: Sequence[Change]) -> None:
        now = self._clock()
        for demand, bucket, delta in changes:
            window = self._windows.get(demand.quota.key)
            if window is not None:
                window.change(now, bucket, delta)
            elif delta > 0 and len(self._windows) < self._max_keys:
                window = self._windows[demand.quota.key] = Window(demand.quota.interval)
                window.add(now, delta)

    def _opened(self, now: int, demands: Sequence[Demand]) -> list[Window]:
        """The windows of the demands; new ones are not stored yet. Raises Overloaded if there is no room for them."""
        self._sweep(now, 1)
        known = [self._windows.get(demand.quota.key) for demand in demands]
        lacking = known.count(None)
        if not lacking:
            return known  # type: ignore[return-value]
        self._sweep(now, SWEPT_FOR_NEW * lacking)
        if len(self._windows) + lacking > self._max_keys:
            self._sweep(now, SWEPT_WHEN_FULL)
            if len(self._windows) + lacking > self._max_keys:
                raise Overloaded("too many distinct callers to count; retry in a moment", retry_after=1)
        # A window found before may have been swept: it counted nothing, and is stored again if this is granted.
        return [
            Window(demand.quota.interval) if window is None else window
            for demand, window in zip(demands, known, strict=True)
        ]

    def _keep(self, demands: Sequence[Demand], windows: Sequence[Window]) -> None:
        for demand, window in zip(demands, windows, strict=True):
            self._windows.setdefault(demand.quota.key, window)

    def _sweep(self, now: int, count: int) -> None:
        for _ in range(min(count, len(self._windows))):
            key = next(iter(self._windows))
            if self._windows[key].reset(now) == 0:
                del self._windows[key]
            else:
                self._windows.move_to_end(key)
