"""The ledger: takes what calls used and writes it down from a thread of its own.

Law: ``add`` never waits and never raises: the queue is bounded, and what finds no room, or a database that stays
broken, is counted and told. What was added is in the database a second later.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nexus.accounting.database import Database, DatabaseError, Transaction, Value, migrate
from nexus.accounting.entry import PARTS, Charge, Entry
from nexus.accounting.tables import (
    ADD_TO_BUDGET,
    ADD_TO_DAY,
    ATTEMPT_FIELDS,
    DAY_KEY,
    DAY_SUMS,
    FORGET_ATTEMPTS,
    FORGET_DAYS,
    INSERT_ATTEMPT,
    STEP,
)

log = logging.getLogger("nexus.usage")

ROOM = 20_000
"""Entries that may wait to be written."""

BATCH = 500
LINGER = 1.0
"""Seconds for which an entry waits for others."""

REST = (1.0, 30.0)
"""Seconds until a broken database is tried again: the first time, and at most."""

RETENTION_EVERY = 600.0


@dataclass(frozen=True, slots=True)
class Item:
    """What is written together or not at all."""

    entry: Entry
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days."""

    attempts: int = 35
    days: int = 400


class Ledger:
    """Thread-safe. ``close`` writes what is left."""

    def __init__(self, database: Database, kept: Kept = Kept(), clock: Callable[[], float] = time.time) -> None:
        """Raises DatabaseError."""
        migrate(database)
        self.database = database
        self._kept = kept
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self._closing = False
        self._writing = False
        self._lost = 0
        self._tidied = -RETENTION_EVERY
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Entries that were not written down, since the start."""
        return self._lost

    def add(self, items: Iterable[Item]) -> None:
        with self._changed:
            for item in items:
                if len(self._waiting) >= ROOM or self._closing:
                    self._lose(1, "entries wait for the database, no more fit")
                else:
                    self._waiting.append(item)
            if len(self._waiting) >= BATCH:
                self._changed.notify_all()

    def flush(self, seconds: float = 10.0) -> bool:
        """Writes what waits now, for so long; whether all is written."""
        with self._changed:
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, seconds)

    def close(self, seconds: float = 2.0) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self.database.close()

    def _run(self) -> None:
        rest = REST[0]
        while (batch := self._next()) is not None:
            try:
                self._write(batch)
                rest = REST[0]
            except DatabaseError as error:
                log.warning("usage is not written down", extra={"fields": {"why": str(error), "waiting": len(batch)}})
                if self._pause(rest, batch):
                    rest = min(rest * 2, REST[1])
            finally:
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()

    def _next(self) -> list[Item] | None:
        """The next batch, empty where there is only tidying to do; None at the end."""
        with self._changed:
            if len(self._waiting) < BATCH and not self._closing:
                self._changed.wait(LINGER)
            if self._closing and not self._waiting:
                return None
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._writing = bool(batch)
            return batch

    def _pause(self, seconds: float, batch: Sequence[Item]) -> bool:
        """Puts a batch back and waits; False at the end, when it is lost."""
        with self._changed:
            if self._closing:
                self._lose(len(batch), "the gateway ends")
                return False
            self._waiting.extendleft(reversed(batch))
            self._changed.wait_for(lambda: self._closing, seconds)
            return True

    def _lose(self, count: int, why: str) -> None:
        if not self._lost:
            log.error("usage is lost", extra={"fields": {"why": why}})
        self._lost += count

    def _write(self, batch: Sequence[Item]) -> None:
        if batch:
            with self.database.transaction() as transaction:
                _write(transaction, batch)
        if self._clock() - self._tidied >= RETENTION_EVERY:
            self._tidied = self._clock()
            self.forget()

    def forget(self) -> None:
        """Deletes what is too old, in small steps, so that writers of other processes get their turn."""
        now = self._clock()
        while True:
            with self.database.transaction() as transaction:
                gone = transaction.run(FORGET_ATTEMPTS, (now - self._kept.attempts * 86_400,))
            if gone < STEP or self._closing:
                break
        with self.database.transaction() as transaction:
            transaction.run(FORGET_DAYS, (day_of(now - self._kept.days * 86_400),))


def day_of(at: float) -> str:
    """The day of a time in Unix seconds, in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)).date().isoformat()


def _write(transaction: Transaction, batch: Sequence[Item]) -> None:
    transaction.run_many(INSERT_ATTEMPT, [_values(item.entry) for item in batch])
    days: dict[tuple[str, ...], list[int]] = {}
    budgets: dict[tuple[str, ...], int] = {}
    for item in batch:
        sums = days.setdefault(_day_key(item.entry), [0] * len(DAY_SUMS))
        for index, value in enumerate(_day_sums(item.entry)):
            sums[index] += value
        for charge in item.charges:
            key = (charge.budget, charge.subject, charge.period)
            budgets[key] = budgets.get(key, 0) + charge.nano
    # Sorted, so that two processes that write the same rows never wait for each other.
    transaction.run_many(ADD_TO_DAY, [(*key, *sums) for key, sums in sorted(days.items())])
    transaction.run_many(ADD_TO_BUDGET, [(*key, nano) for key, nano in sorted(budgets.items())])


def _values(entry: Entry) -> list[Value]:
    found: list[Value] = [getattr(entry, name) for name in ATTEMPT_FIELDS]
    return [int(value) if isinstance(value, bool) else value for value in found]


def _day_key(entry: Entry) -> tuple[str, ...]:
    key = (day_of(entry.at), entry.caller, entry.group, entry.key, entry.model, entry.route, entry.agent, entry.tags)
    assert len(key) == len(DAY_KEY)
    return key


def _day_sums(entry: Entry) -> tuple[int, ...]:
    asked = entry.attempt > 0
    return (
        int(entry.last),
        int(asked),
        int(entry.last and entry.outcome != "ok"),
        int(asked and entry.tokens_known != "yes"),
        int(asked and entry.cost is None),
        *(getattr(entry, part) for part in PARTS),
        entry.cost or 0,
    )


def tags_text(tags: dict[str, str]) -> str:
    """The one spelling of the same tags."""
    return json.dumps(tags, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
