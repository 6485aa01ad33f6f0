"""Writes a finished call to the ledger: its rows, and what they add to the sums of days and budgets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from operator import itemgetter

from nexus.accounting.database import Transaction
from nexus.accounting.days import day_of
from nexus.accounting.record import CallRecord, Charge
from nexus.accounting.rows import Row, rows_of
from nexus.accounting.tables import ADD_TO_BUDGET, ADD_TO_DAY, DAY_KEY, INSERT_ATTEMPT, SUMS
from nexus.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """A row and its charges, written together or not at all."""

    row: Row
    charges: tuple[Charge, ...] = ()


def items_of(call: CallRecord | tuple[Item, ...], *, in_ledger: bool = False) -> tuple[Item, ...]:
    """The items of a call, as ``rows_of`` chooses them; its charges go with its last row."""
    if not isinstance(call, CallRecord):
        return call
    return tuple(Item(row, call.charges if row["is_last"] else ()) for row in rows_of(call, in_ledger=in_ledger))


def unwritten(transaction: Transaction, items: Sequence[Item]) -> Sequence[Item]:
    """The items whose rows are not in the database."""
    ids = sorted({item.row["call_id"] for item in items})
    statement = f"SELECT call_id, attempt FROM attempts WHERE call_id IN ({', '.join('?' * len(ids))})"
    found = set(transaction.query(statement, ids))
    return [item for item in items if (item.row["call_id"], item.row["attempt"]) not in found]


def write(transaction: Transaction, batch: Sequence[Item]) -> None:
    transaction.run_many(INSERT_ATTEMPT, [tuple(item.row.values()) for item in batch])
    days: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    budgets: Counter[tuple[str, ...]] = Counter()
    for item in batch:
        days[_day_key(item.row)].append(item.row)
        for charge in item.charges:
            budgets[charge.budget, charge.subject, charge.period] += charge.nano
    # Sorted, so that two processes that write the same rows never deadlock.
    transaction.run_many(ADD_TO_DAY, [(*key, *(sum(map(one.of, days[key])) for one in SUMS)) for key in sorted(days)])
    transaction.run_many(ADD_TO_BUDGET, [(*key, budgets[key]) for key in sorted(budgets)])


_of_day = itemgetter(*DAY_KEY[1:])


def _day_key(row: Row) -> tuple[str, ...]:
    if row["attempt"] == 0 and row["status"] == 404:
        # Names of models that do not exist are arbitrary.
        row = {**row, "model": ""}
    return (day_of(row["at_seconds"]), *_of_day(row))
