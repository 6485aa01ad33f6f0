"""What happened in the last day, minute by minute, and the last calls: kept in memory for the page.

Law: loop thread only. Bounded: a day of minutes, the routes of the settings, so many calls.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nexus.accounting.entry import PARTS, Entry
from nexus.accounting.histogram import Histogram, merged

MINUTES = 24 * 60
CALLS = 50
"""Last calls whose story is kept."""

MOST_ROUTES = 500
OTHER = "other"
"""What routes are called beyond MOST_ROUTES in a minute."""


@dataclass(slots=True)
class RouteMinute:
    """Attempts at one route that ended in one minute. ``cost`` is in nano-dollars; ``first`` are the times to the
    first content.
    """

    attempts: int = 0
    failed: int = 0
    tokens: list[int] = field(default_factory=lambda: [0] * len(PARTS))
    cost: int = 0
    unknown_cost: int = 0
    first: Histogram = field(default_factory=Histogram)

    def add(self, entry: Entry) -> None:
        self.attempts += 1
        self.failed += entry.outcome != "ok"
        for index, part in enumerate(PARTS):
            self.tokens[index] += getattr(entry, part)
        self.cost += entry.cost or 0
        self.unknown_cost += entry.cost is None
        if entry.first_ms is not None:
            self.first.add(entry.first_ms)


@dataclass(slots=True)
class Minute:
    """``outcomes`` counts calls, ``own`` are the times that the gateway itself took for them."""

    outcomes: Counter[str] = field(default_factory=Counter)
    routes: dict[str, RouteMinute] = field(default_factory=dict)
    own: Histogram = field(default_factory=Histogram)

    def add(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.last:
                self.outcomes[entry.outcome] += 1
                if entry.own_ms is not None:
                    self.own.add(entry.own_ms)
            if entry.attempt:
                known = entry.route in self.routes or len(self.routes) < MOST_ROUTES
                self.routes.setdefault(entry.route if known else OTHER, RouteMinute()).add(entry)


@dataclass(frozen=True, slots=True)
class Span:
    """Minutes added up."""

    outcomes: Counter[str]
    routes: dict[str, RouteMinute]
    own: Histogram

    @property
    def calls(self) -> int:
        return self.outcomes.total()

    @property
    def failed(self) -> int:
        return self.calls - self.outcomes["ok"]

    @property
    def first(self) -> Histogram:
        return merged(route.first for route in self.routes.values())

    @property
    def cost(self) -> int:
        return sum(route.cost for route in self.routes.values())


class Activity:
    """Told of the entries of each call that ended."""

    def __init__(self) -> None:
        self._minutes: OrderedDict[int, Minute] = OrderedDict()
        self.calls: deque[tuple[Entry, ...]] = deque(maxlen=CALLS)

    def add(self, entries: Sequence[Entry], now: float) -> None:
        """``now`` is in Unix seconds."""
        minute = int(now // 60)
        self._minutes.setdefault(minute, Minute()).add(entries)
        while len(self._minutes) > MINUTES or (self._minutes and next(iter(self._minutes)) <= minute - MINUTES):
            self._minutes.popitem(last=False)
        self.calls.append(tuple(entries))

    def last(self, minutes: int, now: float) -> Span:
        """The last so many minutes, this one included."""
        oldest = int(now // 60) - minutes
        return add_up(minute for at, minute in self._minutes.items() if at > oldest)

    def chart(self, minutes: int, points: int, now: float) -> Iterator[tuple[int, Span]]:
        """The last minutes in ``points`` spans of equal length, each with the Unix seconds at which it begins."""
        width = max(1, minutes // points)
        end = int(now // 60) // width * width + width
        for start in range(end - width * points, end, width):
            yield start * 60, add_up(minute for at, minute in self._minutes.items() if start <= at < start + width)


def add_up(minutes: Iterable[Minute]) -> Span:
    span = Span(Counter(), {}, Histogram())
    owns = [span.own]
    for minute in minutes:
        span.outcomes.update(minute.outcomes)
        owns.append(minute.own)
        for name, route in minute.routes.items():
            total = span.routes.setdefault(name, RouteMinute())
            total.attempts += route.attempts
            total.failed += route.failed
            total.tokens = [one + other for one, other in zip(total.tokens, route.tokens, strict=True)]
            total.cost += route.cost
            total.unknown_cost += route.unknown_cost
            total.first = merged((total.first, route.first))
    return Span(span.outcomes, span.routes, merged(owns))
