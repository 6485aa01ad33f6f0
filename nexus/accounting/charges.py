"""What budgets were charged with, as the ledger has it."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.accounting.database import Database
from nexus.accounting.entry import Charge

MOST = 50_000
"""Subjects of one budget that are read, those that spent most first."""

_SPENT = (
    "SELECT subject, spent_nano FROM budgets WHERE budget = ? AND period = ? "
    f"ORDER BY spent_nano DESC, subject LIMIT {MOST}"
)


def spent_in(database: Database, periods: Mapping[str, str]) -> list[Charge]:
    """All that was spent of each budget in the period that is named for it. Raises DatabaseError."""
    found: list[Charge] = []
    with database.transaction(write=False) as transaction:
        for budget, period in periods.items():
            rows = transaction.query(_SPENT, (budget, period))
            found += [Charge(budget, str(subject), period, int(nano)) for subject, nano in rows]
    return found
