"""Durations by how many fell into which range, so that quantiles of many cost little and can be added up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

BOUNDS = tuple(round(0.1 * 1.25**step, 4) for step in range(71))
"""Upper bounds in milliseconds, from 0.1 ms to 10 minutes; each a quarter above the last, which is how exact a quantile
is."""

Histogram = dict[int, int]
"""How many durations lie at or below a bound, by its index, and above the one before; most have few of them."""


def add_duration(histogram: Histogram, milliseconds: float) -> None:
    """One longer than the last bound counts as that."""
    index = min(bisect_left(BOUNDS, milliseconds), len(BOUNDS) - 1)
    histogram[index] = histogram.get(index, 0) + 1


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """All of them as one."""
    total: Histogram = {}
    for histogram in histograms:
        for index, count in histogram.items():
            total[index] = total.get(index, 0) + count
    return total


def quantile(histogram: Histogram, share: float) -> float | None:
    """The bound below which ``share`` of the durations lie, in milliseconds; None where there are none."""
    wanted, seen = share * sum(histogram.values()), 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen >= wanted:
            return BOUNDS[index]
    return None
