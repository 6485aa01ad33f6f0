"""The limit store in memory, of one process or shared by several: exact without Redis.

Any thread of any process; one lock, never held while waiting; time is monotonic. A window that still counts something
is never forgotten. If no place is left for a new one, its caller gets a 503; callers that have a window are not
affected. What a process had reserved when it died stays counted until its interval is over, because what it spent is
unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from nexus.errors import Overloaded
from nexus.limits.combining_lock import CombiningLock
from nexus.limits.quota import Change, Demand, Granted, Quota, Refused
from nexus.limits.window import Window, at_least, book, reserve
from nexus.limits.window_table import Place, WindowTable

_AT_ONCE = 100
"""Windows restored per hold of the lock."""


def monotonic() -> int:
    return time.monotonic_ns() // 1000


class MemoryStore:
    """``table`` is given if several processes share it."""

    blocks = False
    is_cut_off = False

    def __init__(self, clock: Callable[[], int] = monotonic, table: WindowTable | None = None) -> None:
        self._table = table or WindowTable()
        self._lock = CombiningLock(self._change, self._table.lock)
        self._clock = clock

    def ping(self) -> None:
        return None

    def reserve(self, demands: Sequence[Demand]) -> Granted | Refused:
        with self._lock:
            now = self._clock()
            return reserve(now, demands, self._opened(now, demands))

    def book(self, demands: Sequence[Demand]) -> Granted:
        """Counts what another store already granted. Raises Overloaded."""
        with self._lock:
            now = self._clock()
            windows = self._opened(now, demands)
            for window in windows:
                window.advance(now)
            return book(now, demands, windows)

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        if changes := granted.changes(amounts):
            self._lock.change(changes)

    def restore(self, spent: Sequence[Demand]) -> None:
        """Restores what counted before a restart. Raises Overloaded."""
        for start in range(0, len(spent), _AT_ONCE):
            with self._lock:
                now = self._clock()
                for demand in spent[start : start + _AT_ONCE]:
                    _, window = self._table.find(demand.quota.key) or self._new(now, demand.quota, set())
                    at_least(now, demand, window)

    def close(self) -> None:
        return None

    def _opened(self, now: int, demands: Sequence[Demand]) -> list[Window]:
        """Raises Overloaded if there is no room for a new window."""
        known = [self._table.find(demand.quota.key) for demand in demands]
        if None not in known:
            return [place[1] for place in known if place is not None]
        # A place whose window is over still belongs to its key if this decision uses the key.
        taken = {place[0] for place in known if place is not None}
        return [(place or self._new(now, demand.quota, taken))[1] for demand, place in zip(demands, known, strict=True)]

    def _new(self, now: int, quota: Quota, taken: set[int]) -> Place:
        place = self._table.new(quota.key, quota.interval, now, taken)
        taken.add(place[0])
        return place

    def _change(self, changes: Sequence[Change]) -> None:
        now = self._clock()
        for demand, bucket, delta in changes:
            found = self._table.find(demand.quota.key)
            if found is None and delta > 0:
                with suppress(Overloaded):
                    found = self._new(now, demand.quota, set())
            if found is not None:
                found[1].change(now, bucket, delta)
