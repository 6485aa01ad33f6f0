"""What each route cost on each of the last days, out of the ledger: for charts and for what a month will cost.

Reads only, and only ``days``, which is small however many calls there were. Days are those of UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nexus.accounting.database import Database
from nexus.accounting.entry import PARTS
from nexus.accounting.ledger import day_of
from nexus.accounting.report import BY
from nexus.accounting.tables import DAY_SUMS

DAY = 86_400
DAYS = 31
MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class DayOfRoute:
    """``day`` is in whole days since 1970, ``cost`` in nano-dollars without the ``unknown_cost`` attempts."""

    day: int
    route: str
    calls: int
    attempts: int
    failed: int
    unknown_cost: int
    cost: int
    tokens: tuple[int, ...]


def days(database: Database, now: float, only: Mapping[str, str] | None = None) -> list[DayOfRoute]:
    """The last DAYS, this one included; ``only`` as of a report. Raises DatabaseError."""
    conditions, values = ["day >= ?"], [day_of(now - (DAYS - 1) * DAY)]
    for name, value in (only or {}).items():
        conditions.append(f"{BY[name]} = ?")
        values.append(value)
    sums = ", ".join(f"SUM({name})" for name in DAY_SUMS)
    with database.transaction(write=False) as transaction:
        rows = transaction.query(
            f"SELECT day, route, {sums} FROM days WHERE {' AND '.join(conditions)} "
            f"GROUP BY day, route ORDER BY day LIMIT {MOST_ROWS}",
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
    """What the month will have cost: what it did, and for what is left of it as much a day as the last week had."""
    today, (first, last) = int(now // DAY), month_of(now)
    so_far = sum(cost for day, cost in costs.items() if first <= day <= today)
    began = max(today - 6, min((day for day, cost in costs.items() if cost), default=today))
    lasted = max(now / DAY - began, 0.25)
    a_day = sum(cost for day, cost in costs.items() if began <= day <= today) / lasted
    return so_far + round(a_day * (last + 1 - now / DAY))


def of_points(points: Sequence[tuple[int, dict[str, int], dict[str, list[int]]]]) -> list[DayOfRoute]:
    """The same of the days that an Activity has; its calls are counted without a route."""
    found = []
    for at, outcomes, routes in points:
        calls = sum(outcomes.values())
        if calls:
            found.append(DayOfRoute(at // DAY, "", calls, 0, calls - outcomes.get("ok", 0), 0, 0, (0,) * len(PARTS)))
        for name, (attempts, _, cost, unknown, *tokens) in routes.items():
            found.append(DayOfRoute(at // DAY, name, 0, attempts, 0, unknown, cost, tuple(tokens)))
    return found
