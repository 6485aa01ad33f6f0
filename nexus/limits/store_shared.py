"""The limit store of one of several processes: windows in shared memory, exact without Redis.

Any thread of any process. What a process had reserved when it died stays counted until its interval is over, because
what it spent is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from nexus.errors import Overloaded
from nexus.limits.combining_lock import CombiningLock
from nexus.limits.quota import Change, Demand, Granted, Loop, Quota, Refused
from nexus.limits.shared_windows import SharedWindows
from nexus.limits.store_memory import monotonic
from nexus.limits.window import Window, at_least, reserve

_AT_ONCE = 100
"""Windows restored per hold of the lock."""


class SharedStore:
    blocks = False
    is_cut_off = False

    def __init__(self, windows: SharedWindows, clock: Callable[[], int] = monotonic) -> None:
        self._windows = windows
        self._lock = CombiningLock(self._change, windows.lock)
        self._clock = clock

    def ping(self) -> None:
        return None

    def reserve(self, demands: Sequence[Demand]) -> Granted | Refused:
        with self._lock:
            now = self._clock()
            return reserve(now, demands, self._opened(now, demands))

    async def reserve_on_loop(self, demands: Sequence[Demand], loop: Loop) -> Granted | Refused:
        return self.reserve(demands)

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        if changes := granted.changes(amounts):
            self._lock.change(changes)

    def restore(self, spent: Sequence[Demand]) -> None:
        """Restores what counted before a restart. Raises Overloaded."""
        for start in range(0, len(spent), _AT_ONCE):
            with self._lock:
                now = self._clock()
                for demand in spent[start : start + _AT_ONCE]:
                    _, window = self._windows.find(demand.quota.key) or self._new(now, demand.quota, set())
                    at_least(now, demand, window)

    def close(self) -> None:
        return None

    def _opened(self, now: int, demands: Sequence[Demand]) -> list[Window]:
        """Raises Overloaded if there is no room for a new window."""
        known = [self._windows.find(demand.quota.key) for demand in demands]
        # A place whose window is over still belongs to its key if this decision uses the key.
        taken = {found[0] for found in known if found is not None}
        return [(found or self._new(now, demand.quota, taken))[1] for demand, found in zip(demands, known, strict=True)]

    def _new(self, now: int, quota: Quota, taken: set[int]) -> tuple[int, Window]:
        at, window = self._windows.new(quota.key, quota.interval, now, taken)
        taken.add(at)
        return at, window

    def _change(self, changes: Sequence[Change]) -> None:
        now = self._clock()
        for demand, bucket, delta in changes:
            found = self._windows.find(demand.quota.key)
            if found is None and delta > 0:
                with suppress(Overloaded):
                    found = self._new(now, demand.quota, set())
            if found is not None:
                found[1].change(now, bucket, delta)
