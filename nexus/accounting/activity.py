"""Recent activity and the last calls, in memory for the dashboard page: for everyone and per caller.

One thread at a time. Bounded in minutes, routes, callers and calls. Input and output are plain values, because with
several processes this lives in the supervisor. Only the current minute is updated; the longer spans get it when it is
over.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nexus.accounting.finished import CALLS, Attempted, Finished
from nexus.auth.identity import Who
from nexus.dataclasses import dataclass, field

BOUNDS = tuple(round(0.1 * 1.25**step, 4) for step in range(71))
"""Histogram bounds in milliseconds, from 0.1 ms to 10 minutes; each is a quarter above the last, which is the precision
of quantiles."""

Histogram = dict[int, int]
"""By the index of a bound: how many durations are at or below it and above the previous one. Sparse."""


def add_duration(histogram: Histogram, milliseconds: float) -> None:
    """Adds a duration; one beyond the last bound counts as the last."""
    index = min(bisect_left(BOUNDS, milliseconds), len(BOUNDS) - 1)
    histogram[index] = histogram.get(index, 0) + 1


def merge_histograms(histograms: Iterable[Histogram]) -> Histogram:
    total: Histogram = {}
    for histogram in histograms:
        for index, count in histogram.items():
            total[index] = total.get(index, 0) + count
    return total


def quantile(histogram: Histogram, share: float) -> float | None:
    """The bound in milliseconds below which ``share`` of the durations lie; None without any."""
    wanted, seen = share * sum(histogram.values()), 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen >= wanted:
            return BOUNDS[index]
    return None


MINUTE = 60
SPANS = {"hour": (MINUTE, 60), "day": (15 * MINUTE, 96), "month": (24 * 60 * MINUTE, 31)}
"""By span: the seconds of one chart point, and the number of points."""

MOST_CALLERS = 200
"""Maximum number of callers to keep; those who called longest ago are evicted first."""

MOST_ROUTES = 100
OTHER = "other"
"""The name for routes beyond MOST_ROUTES in a minute."""

RECENT = 5
"""Number of minutes that count as "now"."""

ATTEMPTS, FAILED, COST, UNKNOWN_COST, FIRST_PART = range(5)
"""Indexes in a route's sums, which end with the six parts of its tokens. ``COST`` is in nano-dollars, without the
``UNKNOWN_COST`` attempts that have no price."""

NO_SUMS = (0,) * (FIRST_PART + 6)


@dataclass(slots=True)
class Point:
    """``outcomes`` count calls, ``routes`` hold the sums of the attempts at each."""

    outcomes: dict[str, int] = field(default_factory=dict)
    routes: dict[str, list[int]] = field(default_factory=dict)

    def add(self, other: Point) -> None:
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        for name, sums in other.routes.items():
            known = name if name in self.routes or len(self.routes) < MOST_ROUTES else OTHER
            before = self.routes.get(known, NO_SUMS)
            self.routes[known] = [one + more for one, more in zip(before, sums, strict=True)]


@dataclass(slots=True)
class Minute(Point):
    """``firsts`` has the times to first content by route, ``own`` the gateway's own time."""

    firsts: dict[str, Histogram] = field(default_factory=dict)
    own: Histogram = field(default_factory=dict)

    def count(self, call: Finished) -> None:
        _, outcome, own_ms, attempts, _ = call
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if own_ms is not None:
            add_duration(self.own, own_ms)
        for attempt in attempts:
            self._attempt(attempt)

    def _attempt(self, attempt: Attempted) -> None:
        route, is_ok, cost, tokens, first_ms = attempt
        sums = self.routes.get(route)
        if sums is None:
            if len(self.routes) >= MOST_ROUTES:
                route = OTHER
            sums = self.routes.setdefault(route, list(NO_SUMS))
        sums[ATTEMPTS] += 1
        if not is_ok:
            sums[FAILED] += 1
        if cost is None:
            sums[UNKNOWN_COST] += 1
        else:
            sums[COST] += cost
        for index, count in enumerate(tokens, FIRST_PART):
            sums[index] += count
        if first_ms is not None:
            add_duration(self.firsts.setdefault(route, {}), first_ms)


class CallerActivity:
    """The activity of one caller, or of everyone."""

    def __init__(self) -> None:
        self.calls: deque[dict[str, Any]] = deque(maxlen=CALLS)
        self._now = 0
        self._minute = Minute()
        self._minutes: dict[int, Minute] = {}
        self._longer: dict[str, dict[int, Point]] = {name: {} for name in SPANS if name != "hour"}

    def add(self, call: Finished, now: float) -> None:
        self._end_minute(now)
        self._minute.count(call)
        *_, line = call
        if line is not None:
            self.calls.append(line)

    def _end_minute(self, now: float) -> None:
        """Ends the current minute if it is over."""
        minute = int(now // MINUTE)
        # The clock may have been corrected by a second.
        if self._now - 1 <= minute <= self._now:
            return
        ended, at = self._minute, self._now * MINUTE
        self._now, self._minute = minute, Minute()
        if ended.outcomes or ended.routes:
            self._minutes[at // MINUTE] = ended
            for name, points in self._longer.items():
                points.setdefault(at // SPANS[name][0], Point()).add(ended)
        _forget(self._minutes, minute, SPANS["hour"][1])
        for name, points in self._longer.items():
            width, count = SPANS[name]
            _forget(points, int(now // width), count)

    def points(self, span: str, now: float) -> Iterator[tuple[int, Point]]:
        """All points of a span, each with the Unix seconds at which it begins."""
        self._end_minute(now)
        width, count = SPANS[span]
        last = int(now // width)
        known: Mapping[int, Point] = self._minutes if span == "hour" else self._longer[span]
        for index in range(last - count + 1, last + 1):
            point = known.get(index, Point())
            yield index * width, point if index < last else self._with_current_minute(point)

    def _with_current_minute(self, point: Point) -> Point:
        whole = Point()
        whole.add(point)
        whole.add(self._minute)
        return whole

    def minutes(self, count: int, now: float) -> list[Minute]:
        """The last ``count`` minutes, including the current one, without empty ones."""
        self._end_minute(now)
        return [self._minute, *(minute for at, minute in self._minutes.items() if at > self._now - count)]


def _forget(points: dict[int, Any], now: int, count: int) -> None:
    """Removes all but the last ``count`` points. If the clock was set back, only one point of the future stays."""
    for at in [at for at in points if not now - count < at <= now + 1]:
        del points[at]


class Activity:
    """Collects finished calls; ``view`` returns what happened."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._since = clock()
        self._all = CallerActivity()
        self._callers: OrderedDict[Who, CallerActivity] = OrderedDict()

    def add(self, calls: Sequence[Finished]) -> None:
        now = self._clock()
        for call in calls:
            self._all.add(call, now)
            who, *_ = call
            if who is not None:
                self._of(who).add(call, now)

    def _of(self, who: Who) -> CallerActivity:
        activity = self._callers.get(who)
        if activity is None:
            activity = self._callers[who] = CallerActivity()
            if len(self._callers) > MOST_CALLERS:
                self._callers.popitem(last=False)
        else:
            self._callers.move_to_end(who)
        return activity

    def view(self, who: Who | None) -> dict[str, Any]:
        """The activity of everyone or of one caller, as plain values: ``chart`` by span, ``recent`` of the last
        minutes, ``routes`` of the last hour, ``calls`` newest first. Times are in milliseconds, costs in nano-dollars.
        """
        now = self._clock()
        activity = self._all if who is None else self._callers.get(who) or CallerActivity()
        hour = activity.minutes(SPANS["hour"][1], now)
        recent = activity.minutes(RECENT, now)
        return {
            "since": self._since,
            "chart": {
                name: [(at, dict(point.outcomes), dict(point.routes)) for at, point in activity.points(name, now)]
                for name in SPANS
            },
            "recent": _recent(recent),
            "routes": _routes(hour),
            "calls": list(reversed(activity.calls)),
        }


def _recent(minutes: Sequence[Minute]) -> dict[str, Any]:
    total = Point()
    for minute in minutes:
        total.add(minute)
    first = merge_histograms(one for minute in minutes for one in minute.firsts.values())
    own = merge_histograms(minute.own for minute in minutes)
    return {
        "minutes": RECENT,
        "outcomes": total.outcomes,
        "first_ms": [quantile(first, 0.5), quantile(first, 0.95)],
        "own_ms": [quantile(own, 0.5), quantile(own, 0.95)],
    }


def _routes(minutes: Sequence[Minute]) -> dict[str, tuple[list[int], float | None, float | None]]:
    """By route: its sums, and the median and 95th percentile of its times to first content."""
    total = Point()
    for minute in minutes:
        total.add(minute)
    firsts = {
        name: merge_histograms(minute.firsts[name] for minute in minutes if name in minute.firsts)
        for name in total.routes
    }
    return {
        name: (sums, quantile(firsts[name], 0.5), quantile(firsts[name], 0.95)) for name, sums in total.routes.items()
    }
