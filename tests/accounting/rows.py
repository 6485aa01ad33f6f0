"""Ledger rows made up for tests, without calls behind them."""

from typing import Any

from nexus.accounting.rows import COLUMNS, Row

EMPTY: Row = {column.name: column.kind.empty for column in COLUMNS}


def row(call_id: str, at: float, **more: Any) -> Row:
    """A row of a successful call with a single attempt."""
    told = {"call_id": call_id, "at_seconds": at, "attempt": 1, "is_last": 1, "outcome": "ok", "call_outcome": "ok"}
    return EMPTY | told | more
