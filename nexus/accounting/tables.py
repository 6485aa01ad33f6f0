"""The tables of the ledger, in the SQL that SQLite and PostgreSQL share, and how older ones become these.

``attempts`` has a row for each attempt and is kept for weeks; ``days`` has sums by day and by who and what, and is kept
for more than a year; ``budgets`` has what was spent in each period of a budget; ``holdings`` says whose the files and
batches are that vendors hold. ``schema_version`` has one row.

A step of MIGRATIONS never changes once it was released; a new version is a new step.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter

from nexus.accounting.entry import PARTS, Entry

_RENAMED = {"group": "group_name", "key": "key_name", "last": "is_last", "at": "at_seconds", "input": "input_tokens"}
"""Fields whose names are words of SQL, or would say too little in a query written by hand."""


def column(field: str) -> str:
    """The column that holds a field of an entry."""
    return f"{field}_tokens" if field in PARTS else _RENAMED.get(field, "cost_nano" if field == "cost" else field)


_TYPES = {
    "int": "BIGINT NOT NULL",
    "float": "DOUBLE PRECISION NOT NULL",
    "bool": "INTEGER NOT NULL",
    "str": "TEXT NOT NULL",
    "TokensKnown": "TEXT NOT NULL",
    "int | None": "BIGINT",
    "float | None": "DOUBLE PRECISION",
}

ATTEMPT_FIELDS = tuple(field.name for field in fields(Entry))
attempt_values = attrgetter(*ATTEMPT_FIELDS)
FLAGS = tuple(place for place, field in enumerate(fields(Entry)) if field.type == "bool")
"""Places of those that are written as 0 or 1."""

DAY_KEY = ("day", "caller", "group_name", "key_name", "model", "route", "agent", "tags")
"""What sums of a day are kept apart by."""

DAY_SUMS = (
    "calls",
    "attempts",
    "failed",
    "unknown_tokens",
    "unknown_cost",
    *(column(part) for part in PARTS),
    "cost_nano",
)
"""``failed`` counts calls that did not end well; ``unknown_...`` count attempts that reached a vendor."""


def _attempts() -> str:
    columns = ", ".join(f"{column(field.name)} {_TYPES[str(field.type)]}" for field in fields(Entry))
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
)
"""Statements that lead from each version to the next; version 0 is an empty database."""

VERSION = len(MIGRATIONS)

INSERT_ATTEMPT = (
    f"INSERT INTO attempts ({', '.join(map(column, ATTEMPT_FIELDS))}) "
    f"VALUES ({', '.join('?' * len(ATTEMPT_FIELDS))}) ON CONFLICT DO NOTHING"
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

STEP = 1000
"""Rows that one step of the retention deletes."""


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
