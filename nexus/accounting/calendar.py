"""Cost per route and day from the ledger, for charts and the forecast of the month.

Reads only, and only tables that stay small regardless of the number of calls. Days are in UTC.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar, cast

from nexus.accounting import earlier
from nexus.accounting.books import Books
from nexus.accounting.database import Database, DatabaseError
from nexus.accounting.days import DAY, day_of
from nexus.accounting.report_options import Filters, where
from nexus.accounting.spent import highest_spenders
from nexus.accounting.tables import DAY_SUMS
from nexus.conversation.usage import PARTS
from nexus.dataclasses import dataclass
from nexus.errors import NotFound, Overloaded

DAYS = 31
MOST_ROWS = 10_000

FRESH = 3.0
"""Seconds to cache an answer of the ledger, so that many viewers cost as much as one."""

OLD = 60.0
"""Seconds to cache data from before this process, which no longer changes."""

MOST_KEPT = 100
"""Maximum number of cached answers."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class DayOfRoute:
    """``day`` is in whole days since 1970, ``cost`` in nano-dollars, without the ``unknown_cost`` attempts."""

    day: int
    route: str
    calls: int
    attempts: int
    failed: int
    unknown_cost: int
    cost: int
    tokens: tuple[int, ...]


def days(database: Database, now: float, only: Filters = ()) -> list[DayOfRoute]:
    """The last DAYS days, including today; ``only`` filters as in a report. Raises DatabaseError."""
    conditions, values = where({"day >= ?": day_of(now - (DAYS - 1) * DAY)}, only)
    sums = ", ".join(f"SUM({name})" for name in DAY_SUMS)
    with database.transaction(write=False) as transaction:
        rows = transaction.query(
            f"SELECT day, route, {sums} FROM days WHERE {conditions} "
            f"GROUP BY day, route ORDER BY day DESC LIMIT {MOST_ROWS}",
            values,
        )
    return [_read(*row) for row in rows]


def _read(day: str, route: str, *sums: int) -> DayOfRoute:
    calls, attempts, failed, _, unknown_cost, *tokens = map(int, sums)
    cost = tokens.pop()
    assert len(tokens) == len(PARTS)
    number = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) // DAY
    return DayOfRoute(number, route, calls, attempts, failed, unknown_cost, cost, tuple(tokens))


def month_of(now: float) -> tuple[int, int]:
    """First and last day of the month, in whole days since 1970."""
    at = datetime.fromtimestamp(now, UTC)
    first = datetime(at.year, at.month, 1, tzinfo=UTC)
    after = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) // DAY, int(after.timestamp()) // DAY - 1


def forecast(costs: Mapping[int, int], now: float) -> int:
    """Forecasts the month's cost: the cost so far, plus the daily average of the last week for the rest of the
    month."""
    today, (first, last) = int(now // DAY), month_of(now)
    so_far = sum(cost for day, cost in costs.items() if first <= day <= today)
    began = max(today - 6, min((day for day, cost in costs.items() if cost), default=today))
    lasted = max(now / DAY - began, 0.25)
    a_day = sum(cost for day, cost in costs.items() if began <= day <= today) / lasted
    return so_far + round(a_day * (last + 1 - now / DAY))


def of_points(points: Sequence[tuple[int, dict[str, int], dict[str, list[int]]]]) -> list[DayOfRoute]:
    """Days from the points of an Activity; its calls are counted without a route."""
    found = []
    for at, outcomes, routes in points:
        calls = sum(outcomes.values())
        if calls:
            found.append(DayOfRoute(at // DAY, "", calls, 0, calls - outcomes.get("ok", 0), 0, 0, (0,) * len(PARTS)))
        for name, (attempts, _, cost, unknown, *tokens) in routes.items():
            found.append(DayOfRoute(at // DAY, name, 0, attempts, 0, unknown, cost, tuple(tokens)))
    return found


class Calendar:
    """Cached access to days and budgets of the ledger. Never on the loop; any thread."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()

    def days(self, now: float, only: Filters) -> list[DayOfRoute] | None:
        """The last days, as the function ``days``; None without a ledger, or if it is temporarily unavailable and
        nothing is cached."""
        return self._read(("days", *only), now, lambda database: days(database, now, only))

    def spent(self, now: float, periods: Mapping[str, str]) -> list[tuple[str, str, int]] | None:
        """The highest spenders, as the function ``highest_spenders``; None as for ``days``."""
        return self._read(("spent", *periods.items()), now, lambda database: highest_spenders(database, periods))

    def completed(self, view: Mapping[str, Any], now: float, only: Filters) -> Mapping[str, Any]:
        """Completes a view of this process's activity from the ledger with what came before, in charts shorter than a
        month."""
        since = float(view["since"])
        if not self._books.outlives_process or now - since > earlier.FURTHEST:
            return view
        before = {
            span: self._read((span, since, *only), now, partial(earlier.points, span=span, until=since, only=only), OLD)
            or {}
            for span in ("hour", "day")
        }
        lines = self._read(("calls", since, *only), now, lambda database: earlier.calls(database, since, only), OLD)
        return earlier.completed(view, before, lines or [])

    def _read(
        self, key: Hashable, now: float, query: Callable[[Database], Answer], fresh: float = FRESH
    ) -> Answer | None:
        with self._lock:
            at, answer = self._kept.get(key, (-fresh, None))
        # Not if the clock was set back meanwhile.
        if 0 <= now - at < fresh:
            return cast("Answer | None", answer)
        try:
            with self._books.reading() as database:
                found = query(database)
        except (DatabaseError, NotFound, Overloaded):
            # A stale answer is better than none.
            return cast("Answer | None", answer)
        with self._lock:
            self._kept[key] = now, found
            self._kept.move_to_end(key)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found
