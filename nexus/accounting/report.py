"""Usage reports: sums of the ledger since a time, grouped by one property.

Reads only. Results are bounded in SQL; names in SQL come from tables in the code, everything else is a bound value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from nexus.accounting.database import Database
from nexus.accounting.days import DAY, day_of, midnight
from nexus.accounting.report_options import BY, Filters, where
from nexus.accounting.tables import DAY_SUMS, SUMS, number_of
from nexus.auth.identity import Who
from nexus.dataclasses import dataclass, fields
from nexus.headers.tags import TAG
from nexus.settings.types import read_duration

MOST_ROWS = 1000
"""Maximum number of rows in a report; the most expensive come first."""

MOST_FOLDED = 50_000
"""Maximum number of database rows to add up here."""

FINE_DAYS = 2
"""Days for which sums are exact to the second; older ones begin at midnight UTC."""


@dataclass(frozen=True, slots=True)
class Sums:
    """The usage of one name; ``cost`` is in nano-dollars, without the ``unknown_cost`` attempts that have no price.

    ``unknown_tokens`` counts attempts whose usage the vendor did not fully report.
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

    def __add__(self, other: Sums) -> Sums:
        added = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)[1:]}
        return Sums(self.name, **added)


_FROM_ATTEMPTS = tuple(f"SUM({sum.sql})" for sum in SUMS)
_FROM_DAYS = tuple(f"SUM({name})" for name in DAY_SUMS)


@dataclass(frozen=True, slots=True)
class Report:
    """``begins`` is in Unix seconds: the requested time, or the beginning of its day. ``rows`` are at most MOST_ROWS,
    the most expensive first, or days in order; ``more`` says that there are others; ``total`` covers all.
    """

    by: str
    begins: float
    rows: tuple[Sums, ...]
    total: Sums
    more: bool = False


def filters_of(who: Who | None) -> Filters:
    """The filters for what a caller may see, None for everything."""
    return () if who is None else (("user", who[0]), ("key", who[1]))


def usage(database: Database, *, by: str, since: float, now: float, only: Filters = ()) -> Report:
    """Sums grouped by a valid ``by`` (see ``check_by``), since a time in Unix seconds. By ``tag`` a row is a pair such
    as project=web, and a call with two tags is in two rows; the total counts it once. Raises DatabaseError.
    """
    fine = "session" in (by, *(name for name, _ in only)) or (by != "day" and now - since <= FINE_DAYS * DAY)
    table, columns = ("attempts", _FROM_ATTEMPTS) if fine else ("days", _FROM_DAYS)
    begins = since if fine else midnight(since)
    conditions, values = where({"at_seconds >= ?": since} if fine else {"day >= ?": day_of(since)}, only)
    source = f"FROM {table} WHERE {conditions}"
    # Only ``days`` has a column for days, and only ``attempts`` one for sessions.
    column = number_of(DAY) if by == "day" and fine else BY["tag" if by.startswith(TAG) else by]
    order = column if by == "day" else f"{columns[-1]} DESC, {columns[1]} DESC, {column}"
    with database.transaction(write=False) as transaction:
        rows = transaction.query(
            f"SELECT {column}, {', '.join(columns)} {source} GROUP BY {column} ORDER BY {order} LIMIT {MOST_FOLDED}",
            values,
        )
        (all_,) = transaction.query(f"SELECT {', '.join(columns)} {source}", values)
    found = [Sums(day_of(name * DAY) if isinstance(name, int) else name, *map(int, sums)) for name, *sums in rows]
    if by == "provider" or column == BY["tag"]:
        found = _folded(found, _names_of(by))
    total = Sums("total", *(int(sum or 0) for sum in all_))
    return Report(by, begins, tuple(found[:MOST_ROWS]), total, len(found) > MOST_ROWS)


def _names_of(by: str) -> Callable[[str], Iterable[str]]:
    """A function that returns the names under which a database row is counted."""
    if by == "provider":
        return lambda route: (route.partition("/")[0],)
    if by == "tag":
        return lambda tags: [f"{name}={value}" for name, value in json.loads(tags).items()] or [""]
    return lambda tags: (json.loads(tags).get(by.removeprefix(TAG), ""),)


def _folded(rows: Sequence[Sums], names_of: Callable[[str], Iterable[str]]) -> list[Sums]:
    joined: dict[str, Sums] = {}
    for row in rows:
        for name in names_of(row.name):
            joined[name] = joined.get(name, Sums(name)) + row
    return sorted(joined.values(), key=lambda sums: (-sums.cost, -sums.attempts, sums.name))


EXPECTED = 'expected a duration of at most 400 days such as 24h or 7d, "today", "month", 2026-11-01 or 2026-11-01T08:00'


def since_of(text: str, now: float) -> float:
    """Parses a start time to Unix seconds; days, months and times without a zone are in UTC. Raises ValueError."""
    words = text.strip().lower()
    today = midnight(now)
    if words == "today":
        return today
    if words == "month":
        return today - (datetime.fromtimestamp(now, UTC).day - 1) * DAY
    try:
        if words[-1:].isalpha() and words[-1] != "z":
            return now - read_duration(words)
        moment = datetime.fromisoformat(words.upper())
        at = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
        # Not before the year 1 nor after 9999 in UTC, whatever the time zone says.
        datetime.fromtimestamp(at, UTC)
        return at
    except (ValueError, OverflowError):
        raise ValueError(EXPECTED) from None
