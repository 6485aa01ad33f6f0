"""Who used what: sums of the ledger since a time, by who or what they are asked for.

Reads only. What is bounded by SQL is bounded: names come from tables here, everything else is a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from nexus.accounting.database import Database
from nexus.accounting.entry import PARTS
from nexus.accounting.ledger import day_of
from nexus.accounting.tables import DAY_SUMS, column

BY: Mapping[str, str] = {
    "user": "caller",
    "group": "group_name",
    "key": "key_name",
    "model": "model",
    "route": "route",
    "provider": "route",
    "session": "session",
    "agent": "agent",
    "tag": "tags",
    "day": "day",
}
"""What sums can be asked for by, and the column that it is kept in."""

MOST_ROWS = 1000
"""Rows of an answer; those that cost most come first."""

FINE_DAYS = 2
"""For so long sums are exact to the second; further back they begin with a day, in UTC."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What one name used; ``cost`` is in nano-dollars, without the ``unknown_cost`` attempts that have no price.

    ``unknown_tokens`` counts attempts of which the vendor did not say, or not wholly, what they used.
    """

    name: str
    calls: int = 0
    attempts: int = 0
    failed: int = 0
    unknown_tokens: int = 0
    unknown_cost: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    cost: int = 0

    @property
    def tokens(self) -> int:
        return sum(getattr(self, part) for part in PARTS)

    def __add__(self, other: Sums) -> Sums:
        added = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)[1:]}
        return Sums(self.name, **added)


_FROM_ATTEMPTS = (
    "SUM(is_last)",
    "SUM(CASE WHEN attempt > 0 THEN 1 ELSE 0 END)",
    "SUM(CASE WHEN is_last = 1 AND outcome <> 'ok' THEN 1 ELSE 0 END)",
    "SUM(CASE WHEN attempt > 0 AND tokens_known <> 'yes' THEN 1 ELSE 0 END)",
    "SUM(CASE WHEN attempt > 0 AND cost_nano IS NULL THEN 1 ELSE 0 END)",
    *(f"SUM({column(part)})" for part in PARTS),
    "SUM(COALESCE(cost_nano, 0))",
)
_FROM_DAYS = tuple(f"SUM({name})" for name in DAY_SUMS)


@dataclass(frozen=True, slots=True)
class Report:
    """``rows`` are at most MOST_ROWS, those that cost most first, days in their order; ``total`` is of all."""

    by: str
    rows: tuple[Sums, ...]
    total: Sums


def usage(database: Database, *, by: str, since: float, now: float, only: Mapping[str, str] | None = None) -> Report:
    """Sums by ``by``, a name of BY, since a time in Unix seconds. ``only`` are names of BY, each with the one value
    that is counted. Raises DatabaseError, and KeyError for another name.
    """
    fine = "session" in (by, *(only or ())) or (by != "day" and now - since <= FINE_DAYS * 86_400)
    table, columns = ("attempts", _FROM_ATTEMPTS) if fine else ("days", _FROM_DAYS)
    conditions = ["at_seconds >= ?" if fine else "day >= ?"]
    values: list[str | float] = [since if fine else day_of(since)]
    for name, value in (only or {}).items():
        conditions.append(f"{BY[name]} = ?")
        values.append(value)
    source = f"FROM {table} WHERE {' AND '.join(conditions)}"
    order = BY[by] if by == "day" else f"{columns[-1]} DESC, {columns[1]} DESC, {BY[by]}"
    with database.transaction(write=False) as transaction:
        rows = transaction.query(
            f"SELECT {BY[by]}, {', '.join(columns)} {source} GROUP BY {BY[by]} ORDER BY {order} LIMIT {MOST_ROWS}",
            values,
        )
        (all_,) = transaction.query(f"SELECT {', '.join(columns)} {source}", values)
    found = [Sums(str(name), *map(int, sums)) for name, *sums in rows]
    return Report(
        by, tuple(_by_provider(found) if by == "provider" else found), Sums("total", *(int(sum or 0) for sum in all_))
    )


def _by_provider(routes: Sequence[Sums]) -> list[Sums]:
    joined: dict[str, Sums] = {}
    for route in routes:
        name = route.name.partition("/")[0]
        joined[name] = joined.get(name, Sums(name)) + route
    return sorted(joined.values(), key=lambda sums: (-sums.cost, -sums.attempts, sums.name))
