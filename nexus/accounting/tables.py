"""The tables of the ledger, in the SQL that SQLite and PostgreSQL share, and their migrations.

``attempts`` has a row for each attempt and is kept for weeks; ``days`` has sums by day, caller and model, and is kept
for more than a year; ``budgets`` has what was spent in each period of a budget; ``holdings`` has the owners of files
and batches that vendors hold. ``schema_version`` has one row.

A released step of MIGRATIONS never changes; a new version is a new step.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

from nexus.accounting.rows import COLUMNS, TOKENS, Row

DAY_KEY = ("day", "caller", "group_name", "key_name", "model", "route", "agent", "tags")
"""The key of a day's sums."""


class Sum(NamedTuple):
    """What each row of ``attempts`` adds to a sum: as SQL, and as a function of the row."""

    name: str
    sql: str
    of: Callable[[Row], int]


def _count(name: str, condition: str, holds: Callable[[Row], bool]) -> Sum:
    return Sum(name, f"CASE WHEN {condition} THEN 1 ELSE 0 END", holds)


SUMS = (
    Sum("calls", "is_last", itemgetter("is_last")),
    _count("attempts", "attempt > 0", lambda row: row["attempt"] > 0),
    _count(
        "failed",
        "is_last = 1 AND call_outcome <> 'ok'",
        lambda row: row["is_last"] == 1 and row["call_outcome"] != "ok",
    ),
    _count(
        "unknown_tokens",
        "attempt > 0 AND tokens_known <> 'yes'",
        lambda row: row["attempt"] > 0 and row["tokens_known"] != "yes",
    ),
    _count(
        "unknown_cost", "attempt > 0 AND cost_nano IS NULL", lambda row: row["attempt"] > 0 and row["cost_nano"] is None
    ),
    *(Sum(part, part, itemgetter(part)) for part in TOKENS),
    Sum("cost_nano", "COALESCE(cost_nano, 0)", lambda row: row["cost_nano"] or 0),
)
"""``failed`` counts calls that failed; ``unknown_...`` count attempts."""

DAY_SUMS = tuple(sum.name for sum in SUMS)


def _attempts() -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    return f"CREATE TABLE attempts ({columns}, PRIMARY KEY (call_id, attempt))"


def _days() -> str:
    key = ", ".join(f"{name} TEXT NOT NULL" for name in DAY_KEY)
    sums = ", ".join(f"{name} BIGINT NOT NULL" for name in DAY_SUMS)
    return f"CREATE TABLE days ({key}, {sums}, PRIMARY KEY ({', '.join(DAY_KEY)}))"


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        _attempts(),
        "CREATE INDEX attempts_by_time ON attempts (at_seconds)",
        "CREATE INDEX attempts_by_session ON attempts (session, at_seconds)",
        _days(),
        "CREATE TABLE budgets (budget TEXT NOT NULL, subject TEXT NOT NULL, period TEXT NOT NULL, "
        "spent_nano BIGINT NOT NULL, PRIMARY KEY (budget, subject, period))",
    ),
    (
        "CREATE TABLE holdings (provider TEXT NOT NULL, object_id TEXT NOT NULL, kind TEXT NOT NULL, "
        "owner TEXT NOT NULL, keeper TEXT NOT NULL, purpose TEXT NOT NULL, parent TEXT NOT NULL, "
        "made_seconds DOUBLE PRECISION NOT NULL, used_seconds DOUBLE PRECISION NOT NULL, state TEXT NOT NULL, "
        "models TEXT NOT NULL, booked_lines BIGINT NOT NULL, PRIMARY KEY (provider, object_id))",
        "CREATE INDEX holdings_by_owner ON holdings (owner, provider, kind, made_seconds)",
        "CREATE INDEX holdings_by_id ON holdings (object_id)",
    ),
    ("CREATE INDEX budgets_by_period ON budgets (period, budget)",),
)
"""Statements that migrate each version to the next; version 0 is an empty database."""

VERSION = len(MIGRATIONS)

INSERT_ATTEMPT = (
    f"INSERT INTO attempts ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT DO NOTHING"
)


def _upsert(table: str, key: tuple[str, ...], sums: tuple[str, ...]) -> str:
    names = (*key, *sums)
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"
    )


ADD_TO_DAY = _upsert("days", DAY_KEY, DAY_SUMS)
BUDGET_KEY = ("budget", "subject", "period")
ADD_TO_BUDGET = _upsert("budgets", BUDGET_KEY, ("spent_nano",))


def number_of(seconds: int) -> str:
    """SQL for the number of a row's period of so many seconds, counted from 1970."""
    whole = "CAST(at_seconds AS BIGINT)"
    # PostgreSQL rounds where SQLite truncates.
    return f"({whole} - CASE WHEN {whole} > at_seconds THEN 1 ELSE 0 END) / {seconds}"


STEP = 1000
"""Rows that one retention step deletes."""


def _forget(table: str, key: tuple[str, ...], which: str) -> str:
    names = ", ".join(key)
    return f"DELETE FROM {table} WHERE ({names}) IN (SELECT {names} FROM {table} WHERE {which} LIMIT {STEP})"


FORGET_ATTEMPTS = _forget("attempts", ("call_id", "attempt"), "at_seconds < ? ORDER BY at_seconds")
FORGET_DAYS = _forget("days", DAY_KEY, "day < ?")
FORGET_BUDGETS = _forget("budgets", BUDGET_KEY, "period < ?")
"""The name of a period begins with its year."""

FORGET_HOLDINGS = _forget("holdings", ("provider", "object_id"), "used_seconds < ?")
FORGET_BEYOND = (
    "DELETE FROM attempts WHERE at_seconds < "
    "(SELECT at_seconds FROM attempts ORDER BY at_seconds DESC LIMIT 1 OFFSET ?)"
)

LAST_ATTEMPT = "SELECT MAX(at_seconds) FROM attempts WHERE at_seconds < ?"
