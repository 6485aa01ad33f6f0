"""What was charged to budgets, read from the ledger."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.accounting.database import Database
from nexus.accounting.record import Charge

MOST_SPENT = 100


def highest_spenders(database: Database, periods: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Budget, subject and nano-dollars of the highest spenders in the current period of each budget; ``periods`` are by
    budget name. Raises DatabaseError.
    """
    if not periods:
        return []
    # SQLite takes at most a thousand conditions joined by OR.
    pairs = ", ".join(["(?, ?)"] * len(periods))
    values = [text for pair in periods.items() for text in pair]
    with database.transaction(write=False) as transaction:
        rows = transaction.query(
            f"SELECT budget, subject, spent_nano FROM budgets WHERE (budget, period) IN (VALUES {pairs}) "
            f"ORDER BY spent_nano DESC LIMIT {MOST_SPENT}",
            values,
        )
    return [(str(budget), str(subject), int(nano)) for budget, subject, nano in rows]


MOST = 50_000
"""Maximum number of subjects to read per budget, the highest spenders first."""

_SPENT = (
    "SELECT subject, spent_nano FROM budgets WHERE budget = ? AND period = ? "
    f"ORDER BY spent_nano DESC, subject LIMIT {MOST}"
)


def spent_in(database: Database, periods: Mapping[str, str]) -> list[Charge]:
    """All that was spent of each budget in the period named for it. Raises DatabaseError."""
    found: list[Charge] = []
    with database.transaction(write=False) as transaction:
        for budget, period in periods.items():
            rows = transaction.query(_SPENT, (budget, period))
            found += [Charge(budget, str(subject), period, int(nano)) for subject, nano in rows]
    return found
