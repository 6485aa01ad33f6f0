"""The calls of the ledger one by one, the youngest first, in pages.

Reads only, and bounded: a page has so many calls, each with its attempts.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.accounting.asked import Filters, where
from nexus.accounting.database import Database, Transaction
from nexus.accounting.entry import PARTS
from nexus.accounting.tables import ATTEMPT_FIELDS, column
from nexus.accounting.tabulate import NANO, moment
from nexus.dataclasses import dataclass
from nexus.wire import Json, decode

MOST_CALLS = 200
"""Of one page."""

_COLUMNS = ", ".join(map(column, ATTEMPT_FIELDS))

OF_CALL = (
    *("call_id", "caller", "group", "key", "session", "agent", "request_class", "user_agent", "tags"),
    *("request_id", "trace", "protocol", "operation", "model", "stream", "queue_ms"),
)
"""What is the same in all rows of a call."""

OF_LAST = ("total_ms", "own_ms", "dropped")
"""What the last row says of the whole call."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: behind this call. ``at`` is in Unix seconds."""

    at: float
    call_id: str

    @classmethod
    def read(cls, text: str) -> Place:
        """Raises ValueError."""
        at, _, call_id = text.partition("~")
        return cls(float(at), call_id)

    def __str__(self) -> str:
        return f"{self.at!r}~{self.call_id}"


def calls(
    database: Database, *, since: float, only: Filters = (), behind: Place | None = None, most: int = 50
) -> dict[str, Json]:
    """A page as a document; ``next`` is where the next one begins, null at the end. Raises DatabaseError."""
    conditions, values = where({"at_seconds >= ?": since}, only)
    if behind is not None:
        conditions += " AND (at_seconds < ? OR (at_seconds = ? AND call_id < ?))"
        values += [behind.at, behind.at, behind.call_id]
    with database.transaction(write=False) as transaction:
        places = transaction.query(
            f"SELECT at_seconds, call_id FROM attempts WHERE is_last = 1 AND {conditions} "
            f"ORDER BY at_seconds DESC, call_id DESC LIMIT {most + 1}",
            values,
        )
        found = entries_of_calls(transaction, [call_id for _, call_id in places[:most]])
    end = str(Place(*places[most - 1])) if len(places) > most else None
    return {"calls": [_call(entries) for entries in found.values()], "next": end}


def entries_of_calls(transaction: Transaction, ids: Sequence[str]) -> dict[str, list[dict[str, Json]]]:
    """Of each of these calls its rows as fields by name, in the order of the attempts."""
    rows = transaction.query(
        f"SELECT {_COLUMNS} FROM attempts WHERE call_id IN ({', '.join('?' * len(ids))}) ORDER BY attempt", ids
    )
    found: dict[str, list[dict[str, Json]]] = {call_id: [] for call_id in ids}
    for row in rows:
        entry = dict(zip(ATTEMPT_FIELDS, row, strict=True))
        found[entry["call_id"]].append(entry)
    return found


def _call(entries: list[dict[str, Json]]) -> dict[str, Json]:
    last = entries[-1]
    known = {"at": moment(last["at"]), **{name: last[name] for name in OF_CALL}}
    known |= {"stream": bool(last["stream"]), "tags": decode(last["tags"]), "outcome": last["call_outcome"]}
    known |= {name: last[name] for name in OF_LAST}
    if last["attempt"] == 0:
        return {**known, "status": last["status"], "error": last["error"], "attempts": []}
    return {**known, "attempts": [_attempt(entry) for entry in entries]}


_OF_ATTEMPT = tuple(
    name
    for name in ATTEMPT_FIELDS
    if name not in (*OF_CALL, *OF_LAST, *PARTS, "at", "last", "call_outcome", "cost", "raw_usage")
)


def _attempt(entry: dict[str, Json]) -> dict[str, Json]:
    shown = {name: entry[name] for name in _OF_ATTEMPT}
    shown["total_ms"] = entry["total_ms"]
    shown["tokens"] = {part: entry[part] for part in PARTS}
    shown["cost_usd"] = None if entry["cost"] is None else entry["cost"] / NANO
    shown["raw_usage"] = decode(entry["raw_usage"]) if entry["raw_usage"] else None
    return shown
