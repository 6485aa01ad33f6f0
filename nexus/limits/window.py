"""The sliding window: at most N in any interval, whenever the interval begins.

Pure, in whole microseconds; time never goes back. What was admitted at ``t`` counts until ``t + interval`` at least, so
no half-open interval of that length ever holds more than the limit. Admissions within the same sixtieth of the interval
share an entry, which counts until its youngest part expires. So compared to an exact log, a request may be rejected for
up to interval / 60 longer, is never admitted too early, and is decided exactly if requests are more than interval / 60
apart. ``script`` does the same in Lua.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from nexus.limits.quota import Demand, Granted, Receipt, Refused, Standing

BUCKETS = 60
"""Parts of an interval; a window has at most one entry more than this."""

_ENTRIES = BUCKETS + 1
_COUNT, _TOTAL, _SUMS, _LASTS = 0, 1, 2, 2 + _ENTRIES

CELLS = 2 + 2 * _ENTRIES
"""Integers of a window: the number of entries and the sum of their amounts; then the amounts, and the times of each
entry's last admission."""


def width_of(interval: int) -> int:
    """Microseconds whose admissions share an entry."""
    return -(-interval // BUCKETS)


class Window:
    """Recent admissions, an entry per bucket, oldest first. ``cells`` are in memory that processes may share."""

    __slots__ = ("_cells", "interval", "width")

    def __init__(self, interval: int, cells: memoryview) -> None:
        self.interval = interval
        self.width = width_of(interval)
        self._cells = cells

    @property
    def total(self) -> int:
        return self._cells[_TOTAL]

    def advance(self, now: int) -> None:
        """Drops entries that no longer count."""
        cells, horizon = self._cells, now - self.interval
        count = cells[_COUNT]
        if not count or cells[_LASTS] > horizon:
            return
        over = bisect_right(cells, horizon, _LASTS, _LASTS + count) - _LASTS
        left = count - over
        for start in (_LASTS, _SUMS):
            cells[start : start + left] = cells[start + over : start + count]
        cells[_COUNT] = left
        # Not by a difference, because a process that died may have left a wrong total.
        cells[_TOTAL] = sum(cells[_SUMS : _SUMS + left])

    def wait(self, now: int, amount: int, limit: int) -> int | None:
        """Microseconds until ``amount`` fits; 0 if it fits now, None if it never can."""
        if amount > limit:
            return None
        excess = self.total + amount - limit
        if excess <= 0:
            return 0
        for at in range(_LASTS, _LASTS + len(self)):
            excess -= self._cells[at - _ENTRIES]
            if excess <= 0:
                return self._cells[at] + self.interval - now
        return None

    def reset(self, now: int) -> int:
        """Microseconds until nothing counts."""
        count = len(self)
        return max(0, self._cells[_LASTS + count - 1] + self.interval - now) if count else 0

    def add(self, at: int, amount: int) -> int:
        """Books an amount at a time that, apart from clock differences, is not before the last entry's; returns its
        bucket.
        """
        cells, width, count = self._cells, self.width, self._cells[_COUNT]
        bucket, last = at // width, _LASTS + count - 1
        cells[_TOTAL] += amount
        if count and (newest := cells[last] // width) >= bucket:
            if cells[last] < at:
                cells[last] = at
            cells[last - _ENTRIES] += amount
            return newest
        cells[last + 1], cells[last + 1 - _ENTRIES] = at, amount
        cells[_COUNT] = count + 1
        return bucket

    def change(self, now: int, bucket: int, delta: int) -> None:
        """Corrects the amount booked in ``bucket``.

        If the bucket no longer counts, nothing is given back, but an additional amount counts from now on: otherwise
        calls that last longer than the interval could spend any amount.
        """
        self.advance(now)
        cells, end = self._cells, _LASTS + len(self)
        at = bisect_left(cells, bucket * self.width, _LASTS, end)
        if at < end and cells[at] // self.width == bucket:
            cells[at - _ENTRIES] += delta
            cells[_TOTAL] += delta
        elif delta > 0:
            self.add(now, delta)

    def clear(self) -> None:
        self._cells[_COUNT] = self._cells[_TOTAL] = 0

    def __len__(self) -> int:
        return self._cells[_COUNT]


def reserve(now: int, demands: Sequence[Demand], windows: Sequence[Window]) -> Granted | Refused:
    """Meets every demand on its window, or none."""
    refused: Refused | None = None
    for demand, window in zip(demands, windows, strict=True):
        window.advance(now)
        needed, limit = demand.needed, demand.quota.limit
        if window.total + needed <= limit:
            continue
        wait = window.wait(now, needed, limit)
        if refused is None or longer(wait, refused.wait):
            refused = Refused(demand, Standing(demand.quota, window.total, window.reset(now)), wait)
    return refused or book(now, demands, windows)


def book(now: int, demands: Sequence[Demand], windows: Sequence[Window]) -> Granted:
    """Takes every demand from its window, regardless of the limits."""
    buckets: list[int] = []
    standings: list[Standing] = []
    for demand, window in zip(demands, windows, strict=True):
        buckets.append(window.add(now - demand.ago, demand.amount))
        standings.append(Standing(demand.quota, window.total, demand.quota.interval - demand.ago))
    return Granted(tuple(demands), Receipt(tuple(buckets)), tuple(standings))


def at_least(now: int, demand: Demand, window: Window) -> None:
    """Books what the window lacks of a demand."""
    window.advance(now)
    if (missing := demand.amount - window.total) > 0:
        window.add(now - demand.ago, missing)


def longer(wait: int | None, other: int | None) -> bool:
    """Whether ``wait`` is longer than ``other``; None (never) is the longest."""
    return other is not None and (wait is None or wait > other)
