"""Durations by how many fell into which range, so that quantiles of many cost little and can be added up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

BOUNDS = tuple(round(1.25**step, 3) for step in range(61))
"""Upper bounds in milliseconds, from 1 ms to 11 minutes; each a quarter above the last, which is how exact a quantile
is."""


class Histogram:
    """Counts by range; one more for what is longer than the last bound."""

    __slots__ = ("counts",)

    def __init__(self, counts: Sequence[int] | None = None) -> None:
        self.counts = list(counts) if counts is not None else [0] * (len(BOUNDS) + 1)

    def add(self, milliseconds: float) -> None:
        self.counts[bisect_left(BOUNDS, milliseconds)] += 1

    def quantile(self, share: float) -> float | None:
        """The bound below which ``share`` of the durations lie, in milliseconds; None where there are none."""
        total = sum(self.counts)
        if not total:
            return None
        wanted, seen = share * total, 0
        for bound, count in zip(BOUNDS, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return bound
        return BOUNDS[-1]


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """All of them as one."""
    total = Histogram()
    for histogram in histograms:
        total.counts = [one + other for one, other in zip(total.counts, histogram.counts, strict=True)]
    return total
