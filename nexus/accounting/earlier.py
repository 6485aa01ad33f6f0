"""Activity before this process began, read from the ledger for the dashboard page: chart points, last calls.

Reads only, and at most one day back. Times are in Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nexus.accounting.activity import SPANS, Point
from nexus.accounting.calls import rows_of_calls
from nexus.accounting.database import Database
from nexus.accounting.days import DAY
from nexus.accounting.finished import CALLS
from nexus.accounting.report_options import Filters, where
from nexus.accounting.rows import TOKENS, Row
from nexus.accounting.tables import number_of

FURTHEST = DAY
MOST_ROWS = 20_000

_SUMS = ", ".join(
    (
        "COUNT(*)",
        "SUM(CASE WHEN outcome = 'ok' THEN 0 ELSE 1 END)",
        "COALESCE(SUM(cost_nano), 0)",
        "SUM(CASE WHEN cost_nano IS NULL THEN 1 ELSE 0 END)",
        *(f"SUM({part})" for part in TOKENS),
    )
)
"""SQL sums in the order of an Activity's."""

Points = dict[int, Point]
"""Chart points by the Unix seconds at which they begin."""


def points(database: Database, span: str, until: float, only: Filters = ()) -> Points:
    """The points of a span before ``until``. Raises DatabaseError."""
    width, count = SPANS[span]
    condition, values = where({"at_seconds >= ?": until - min(FURTHEST, width * count), "at_seconds < ?": until}, only)
    at = number_of(width)
    found: Points = {}
    with database.transaction(write=False) as transaction:
        calls = transaction.query(
            f"SELECT {at}, call_outcome, COUNT(*) FROM attempts WHERE is_last = 1 AND {condition} "
            f"GROUP BY 1, 2 LIMIT {MOST_ROWS}",
            values,
        )
        routes = transaction.query(
            f"SELECT {at}, route, {_SUMS} FROM attempts WHERE attempt > 0 AND {condition} "
            f"GROUP BY 1, 2 LIMIT {MOST_ROWS}",
            values,
        )
    for index, outcome, number in calls:
        found.setdefault(int(index) * width, Point()).add(Point({str(outcome): int(number)}))
    for index, route, *sums in routes:
        found.setdefault(int(index) * width, Point()).add(Point({}, {str(route): list(map(int, sums))}))
    return found


def calls(database: Database, until: float, only: Filters = ()) -> list[dict[str, Any]]:
    """The last calls, newest first, each in the form of ``finished``. Raises DatabaseError."""
    condition, values = where({"at_seconds >= ?": until - FURTHEST, "at_seconds < ?": until}, only)
    with database.transaction(write=False) as transaction:
        ids = [
            call_id
            for (call_id,) in transaction.query(
                f"SELECT call_id FROM attempts WHERE is_last = 1 AND {condition} "
                f"ORDER BY at_seconds DESC, call_id DESC LIMIT {CALLS}",
                values,
            )
        ]
        found = rows_of_calls(transaction, ids)
    return [_line(rows) for rows in found.values() if rows]


def completed(view: Mapping[str, Any], before: Mapping[str, Points], lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A view of an Activity, completed with earlier points and calls; ``before`` is by the name of a span."""
    charts = {name: _merged(points, before.get(name, {})) for name, points in view["chart"].items()}
    return {**view, "chart": charts, "calls": [*view["calls"], *lines][:CALLS]}


def _merged(points: Sequence[Any], before: Points) -> list[Any]:
    found = []
    for at, outcomes, routes in points:
        if at in before:
            whole = Point(dict(outcomes), dict(routes))
            whole.add(before[at])
            outcomes, routes = whole.outcomes, whole.routes
        found.append((at, outcomes, routes))
    return found


def _line(rows: Sequence[Row]) -> dict[str, Any]:
    last = rows[-1]
    attempts = [row for row in rows if row["attempt"]]
    costs = [row["cost_nano"] for row in attempts if row["cost_nano"] is not None]
    tried = ", ".join(f"{row['route']}={row['status'] or row['outcome']}" for row in attempts)
    return {
        **{name: last[name] for name in ("caller", "session", "protocol", "operation", "model", "route")},
        **{name: last[name] for name in ("status", "dropped", "first_ms", "total_ms", "own_ms")},
        "id": last["call_id"],
        "at": last["at_seconds"],
        "stream": bool(last["stream"]),
        "outcome": last["call_outcome"],
        "why": last["error"] if last["call_outcome"] != "ok" else "",
        "tried": tried if len(attempts) > 1 else "",
        "tokens": [sum(row[part] for row in attempts) for part in TOKENS] if attempts else [],
        "cost": sum(costs) if costs or not attempts else None,
    }
