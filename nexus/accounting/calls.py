"""The calls in the ledger, newest first, in pages.

Reads only, and bounded: a page has a maximum number of calls, each with its attempts.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.accounting.database import Database, Transaction
from nexus.accounting.report_options import BY, Filters, where
from nexus.accounting.rows import COLUMNS, TOKENS, Row
from nexus.accounting.tabulate import moment
from nexus.conversation.usage import NANO, PARTS
from nexus.dataclasses import dataclass
from nexus.wire import Json, decode

MOST_CALLS = 200
"""Maximum number of calls on a page."""

OF_CALL = (
    *("call_id", "caller", "group", "key", "session", "agent", "request_class", "user_agent", "tags"),
    *("request_id", "trace", "protocol", "operation", "model", "stream", "queue_ms"),
)
"""Columns with the same value in all rows of a call."""

OF_LAST = ("total_ms", "own_ms", "dropped")
"""Columns that the last row holds for the whole call."""


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The call after which a page begins. ``at`` is in Unix seconds."""

    at: float
    call_id: str

    @classmethod
    def read(cls, text: str) -> PageCursor:
        """Parses what ``str`` writes. Raises ValueError."""
        at, _, call_id = text.partition("~")
        try:
            return cls(float(at), call_id)
        except ValueError:
            raise ValueError("expected the value of next on the page before") from None

    def __str__(self) -> str:
        return f"{self.at!r}~{self.call_id}"


def calls(
    database: Database, *, since: float, only: Filters = (), behind: PageCursor | None = None, most: int = 50
) -> dict[str, Json]:
    """A page as a document; ``next`` is where the next page begins, null at the end. Raises DatabaseError."""
    conditions, values = where({"at_seconds >= ?": since}, only)
    if behind is not None:
        conditions += " AND (at_seconds < ? OR (at_seconds = ? AND call_id < ?))"
        values += [behind.at, behind.at, behind.call_id]
    with database.transaction(write=False) as transaction:
        found_ids = transaction.query(
            f"SELECT at_seconds, call_id FROM attempts WHERE is_last = 1 AND {conditions} "
            f"ORDER BY at_seconds DESC, call_id DESC LIMIT {most + 1}",
            values,
        )
        found = rows_of_calls(transaction, [call_id for _, call_id in found_ids[:most]])
    end = str(PageCursor(*found_ids[most - 1])) if len(found_ids) > most else None
    return {"calls": [_call(rows) for rows in found.values()], "next": end}


def rows_of_calls(transaction: Transaction, ids: Sequence[str]) -> dict[str, list[Row]]:
    """The rows of each of these calls, in the order of the attempts."""
    if not ids:
        # PostgreSQL rejects an empty list.
        return {}
    rows = transaction.query(
        f"SELECT {', '.join(COLUMNS)} FROM attempts WHERE call_id IN ({', '.join('?' * len(ids))}) ORDER BY attempt",
        ids,
    )
    found: dict[str, list[Row]] = {call_id: [] for call_id in ids}
    for values in rows:
        row = dict(zip(COLUMNS, values, strict=True))
        found[row["call_id"]].append(row)
    return found


def _call(rows: list[Row]) -> dict[str, Json]:
    last = rows[-1]
    known = {"at": moment(last["at_seconds"]), **{name: last[BY.get(name, name)] for name in OF_CALL}}
    known |= {"stream": bool(last["stream"]), "tags": decode(last["tags"]), "outcome": last["call_outcome"]}
    known |= {name: last[name] for name in OF_LAST}
    if last["attempt"] == 0:
        return {**known, "status": last["status"], "error": last["error"], "attempts": []}
    return {**known, "attempts": [_attempt(row) for row in rows]}


_ELSEWHERE = {*(BY.get(name, name) for name in OF_CALL), *OF_LAST, *TOKENS, "at_seconds", "is_last", "call_outcome"}
_OF_ATTEMPT = tuple(name for name in COLUMNS if name not in {*_ELSEWHERE, "cost_nano", "raw_usage"})


def _attempt(row: Row) -> dict[str, Json]:
    shown = {name: row[name] for name in _OF_ATTEMPT}
    shown["total_ms"] = row["total_ms"]
    shown["tokens"] = {part: row[column] for part, column in zip(PARTS, TOKENS, strict=True)}
    shown["cost_usd"] = None if row["cost_nano"] is None else row["cost_nano"] / NANO
    shown["raw_usage"] = decode(row["raw_usage"]) if row["raw_usage"] else None
    return shown
