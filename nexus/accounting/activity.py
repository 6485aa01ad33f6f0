"""What happened lately, and the last calls: kept in memory for the page, of everybody and of each caller.

One thread at a time. Bounded in minutes, routes, callers and calls. What goes in and comes out are plain values,
for it lives in the supervisor where several processes serve. Only the minute that runs is written; the longer spans
get it when it is over.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from typing import Any

from nexus.accounting.finished import Attempted, Finished, Who
from nexus.dataclasses import dataclass

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


MINUTE = 60
SPANS = {"hour": (MINUTE, 60), "day": (15 * MINUTE, 96), "month": (24 * 60 * MINUTE, 31)}
"""Name of a span -> seconds of one point of its chart, and how many points there are."""

CALLS = 20
"""Last calls whose story is kept."""

MOST_CALLERS = 200
"""Callers of whom it is kept what they did; those who called longest ago go first."""

MOST_ROUTES = 100
OTHER = "other"
"""What routes are called beyond MOST_ROUTES in a minute."""

RECENT = 5
"""Minutes that "now" is made of."""

ATTEMPTS, FAILED, COST, UNKNOWN_COST, FIRST_PART = range(5)
"""Places in the sums of a route, which end with the six parts of its tokens. ``COST`` is in nano-dollars, without the
``UNKNOWN_COST`` attempts that have no price."""

NO_SUMS = (0,) * (FIRST_PART + 6)


@dataclass(slots=True)
class Point:
    """``outcomes`` count calls, ``routes`` have the sums of the attempts at each."""

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
    """``firsts`` has the times to the first content by route, ``own`` what the gateway itself took."""

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


class Trace:
    """What somebody did, or all together."""

    def __init__(self) -> None:
        self.calls: deque[dict[str, Any]] = deque(maxlen=CALLS)
        self._now = 0
        self._minute = Minute()
        self._minutes: dict[int, Minute] = {}
        self._longer: dict[str, dict[int, Point]] = {name: {} for name in SPANS if name != "hour"}

    def add(self, call: Finished, now: float) -> None:
        self._turn(now)
        self._minute.count(call)
        self.calls.append(call[-1])

    def _turn(self, now: float) -> None:
        """Ends the minute that ran, if it is over."""
        minute = int(now // MINUTE)
        if minute == self._now:
            return
        ended, at = self._minute, self._now * MINUTE
        self._now, self._minute = minute, Minute()
        if ended.outcomes or ended.routes:
            self._minutes[at // MINUTE] = ended
            for name, points in self._longer.items():
                points.setdefault(at // SPANS[name][0], Point()).add(ended)
        _forget(self._minutes, minute - SPANS["hour"][1])
        for name, points in self._longer.items():
            width, count = SPANS[name]
            _forget(points, int(now // width) - count)

    def points(self, span: str, now: float) -> Iterator[tuple[int, Point]]:
        """All of a span, each with the Unix seconds at which it begins."""
        self._turn(now)
        width, count = SPANS[span]
        last = int(now // width)
        for index in range(last - count + 1, last + 1):
            point = self._minutes.get(index) if span == "hour" else self._longer[span].get(index)
            if index == last:
                point, so_far = Point(), point
                for part in (so_far, self._minute):
                    if part is not None:
                        point.add(part)
            yield index * width, point or Point()

    def minutes(self, count: int, now: float) -> list[Minute]:
        """The last so many, this one included; those in which nothing happened are left out."""
        self._turn(now)
        return [self._minute, *(minute for at, minute in self._minutes.items() if at > self._now - count)]


def _forget(points: dict[int, Any], last: int) -> None:
    """All up to ``last``; they were put in by their time."""
    while points and (first := next(iter(points))) <= last:
        del points[first]


class Activity:
    """Told of calls that are over; ``view`` says what there was."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._since = clock()
        self._all = Trace()
        self._callers: OrderedDict[Who, Trace] = OrderedDict()

    def add(self, calls: Sequence[Finished]) -> None:
        now = self._clock()
        for call in calls:
            self._all.add(call, now)
            who = call[0]
            if who is not None:
                self._trace(who).add(call, now)

    def _trace(self, who: Who) -> Trace:
        trace = self._callers.get(who)
        if trace is None:
            trace = self._callers[who] = Trace()
            if len(self._callers) > MOST_CALLERS:
                self._callers.popitem(last=False)
        else:
            self._callers.move_to_end(who)
        return trace

    def view(self, who: Who | None) -> dict[str, Any]:
        """What everybody did, or one caller, as plain values: ``chart`` by span, ``recent`` of the last minutes,
        ``routes`` of the last hour, ``calls`` newest first. Times are in milliseconds, costs in nano-dollars.
        """
        now = self._clock()
        trace = self._all if who is None else self._callers.get(who) or Trace()
        hour = trace.minutes(SPANS["hour"][1], now)
        recent = trace.minutes(RECENT, now)
        return {
            "since": self._since,
            "chart": {
                name: [(at, dict(point.outcomes), dict(point.routes)) for at, point in trace.points(name, now)]
                for name in SPANS
            },
            "recent": _recent(recent),
            "routes": _routes(hour),
            "calls": list(reversed(trace.calls)),
        }


def _recent(minutes: Sequence[Minute]) -> dict[str, Any]:
    total = Point()
    for minute in minutes:
        total.add(minute)
    first = merged(one for minute in minutes for one in minute.firsts.values())
    own = merged(minute.own for minute in minutes)
    return {
        "minutes": RECENT,
        "outcomes": total.outcomes,
        "first_ms": [quantile(first, 0.5), quantile(first, 0.95)],
        "own_ms": [quantile(own, 0.5), quantile(own, 0.95)],
    }


def _routes(minutes: Sequence[Minute]) -> dict[str, tuple[list[int], float | None, float | None]]:
    """Of each route the sums, and half and 95 % of the times to its first content."""
    total = Point()
    for minute in minutes:
        total.add(minute)
    firsts = {name: merged(minute.firsts[name] for minute in minutes if name in minute.firsts) for name in total.routes}
    return {
        name: (sums, quantile(firsts[name], 0.5), quantile(firsts[name], 0.95)) for name, sums in total.routes.items()
    }
