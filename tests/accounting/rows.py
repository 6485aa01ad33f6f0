"""Ledger rows made up for tests, without calls behind them."""

from typing import Any

from nexus.accounting.record import CallRecord
from nexus.accounting.rows import Row, rows_of


def row(call_id: str, at: float, **more: Any) -> Row:
    """A row of a successful call with a single attempt, whose price is not known."""
    (told,) = rows_of(CallRecord(call_id, at, "", None, "", None, None, 0.0))
    return told | {"attempt": 1, "cost_nano": None} | more
