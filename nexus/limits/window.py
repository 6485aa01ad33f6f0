"""The sliding window: at most N in any interval, whenever the interval begins.

Pure, in whole microseconds; time never goes back. What was admitted at ``t`` counts until ``t + interval`` at least, so
no half-open interval of that length ever holds more than the limit. Admissions within the same sixtieth of the interval
share an entry, which counts until its youngest part expires. So compared to an exact log, a request may be rejected for
up to interval / 60 longer, is never admitted too early, and is decided exactly if requests are more than interval / 60
apart. ``script`` does the same in Lua.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence

from nexus.limits.quota import Demand, Granted, Receipt, Refused, Standing

BUCKETS = 60
"""Parts of an interval; a window has at most one entry more than this."""


def width_of(interval: int) -> int:
    """Microseconds whose admissions share an entry."""
    return -(-interval // BUCKETS)


class Window:
    """Recent admissions, oldest first: per bucket the time of the last one, and their sum."""

    __slots__ = ("_lasts", "_sums", "interval", "total", "width")

    def __init__(self, interval: int, lasts: bytes = b"", sums: bytes = b"") -> None:
        """``lasts`` and ``sums`` are those of ``packed``."""
        self.interval = interval
        self.width = width_of(interval)
        # Arrays, because a busy key with lists of ints would take ten times the memory.
        self._lasts = array("q", lasts)
        self._sums = array("q", sums)
        self.total = sum(self._sums)

    @property
    def packed(self) -> tuple[bytes, bytes]:
        """Its times and sums, eight bytes per entry; everything except the interval."""
        return self._lasts.tobytes(), self._sums.tobytes()

    def advance(self, now: int) -> None:
        """Drops what no longer counts."""
        lasts, horizon, count = self._lasts, now - self.interval, 0
        if not lasts or lasts[0] > horizon:
            return
        while count < len(lasts) and lasts[count] <= horizon:
            self.total -= self._sums[count]
            count += 1
        del lasts[:count], self._sums[:count]

    def wait(self, now: int, amount: int, limit: int) -> int | None:
        """Microseconds until ``amount`` fits; 0 if it fits now, None if it never can."""
        if amount > limit:
            return None
        excess = self.total + amount - limit
        if excess <= 0:
            return 0
        for last, total in zip(self._lasts, self._sums, strict=True):
            excess -= total
            if excess <= 0:
                return last + self.interval - now
        return None

    def reset(self, now: int) -> int:
        """Microseconds until nothing counts."""
        return max(0, self._lasts[-1] + self.interval - now) if self._lasts else 0

    def add(self, at: int, amount: int) -> int:
        """Books an amount at a time that, apart from clock differences, is not before the last entry's; returns its
        bucket.
        """
        lasts, width = self._lasts, self.width
        bucket = at // width
        self.total += amount
        if lasts and (newest := lasts[-1] // width) >= bucket:
            if lasts[-1] < at:
                lasts[-1] = at
            self._sums[-1] += amount
            return newest
        lasts.append(at)
        self._sums.append(amount)
        return bucket

    def change(self, now: int, bucket: int, delta: int) -> None:
        """Corrects the amount booked in ``bucket``.

        If the bucket no longer counts, nothing is given back, but an additional amount counts from now on: otherwise
        calls that last longer than the interval could spend any amount.
        """
        self.advance(now)
        at = bisect_left(self._lasts, bucket * self.width)
        if at < len(self._lasts) and self._lasts[at] // self.width == bucket:
            self._sums[at] += delta
            self.total += delta
        elif delta > 0:
            self.add(now, delta)

    def __len__(self) -> int:
        return len(self._lasts)


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
