"""How long the ledger keeps rows, and deleting older ones. On the ledger's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable

from nexus.accounting.database import Database, Value
from nexus.accounting.days import DAY, day_of
from nexus.accounting.tables import (
    ANY_ATTEMPT,
    FORGET_ATTEMPTS,
    FORGET_BEYOND,
    FORGET_BUDGETS,
    FORGET_DAYS,
    FORGET_HOLDINGS,
    STEP,
)
from nexus.dataclasses import dataclass

log = logging.getLogger("nexus.usage")

EVERY = 600.0
"""Seconds between deletions of old rows."""

CLOCK_JUMP = 3600.0
"""A clock that moves further than this between two deletions, in seconds, was set, or the machine was asleep."""


@dataclass(frozen=True, slots=True)
class Retention:
    """In days; ``most`` is the maximum number of attempt rows, beyond which the oldest are deleted, None
    without a bound."""

    attempts: int = 35
    days: int = 400
    most: int | None = None


class Cleanup:
    """Deletes old rows now and then. ``written`` counts the rows added since the last time."""

    def __init__(self, database: Database, retention: Retention, clock: Callable[[], float]) -> None:
        self.written = 0
        self._database = database
        self._retention = retention
        self._clock = clock
        self._last = self._steady_since = 0.0
        self._doubts_clock = False

    def run(self, is_closing: Callable[[], bool] = lambda: False) -> None:
        """Deletes old rows if that is due."""
        now, most = self._clock(), self._retention.most
        passed = now - self._last
        if not 0 <= passed < CLOCK_JUMP:
            self._steady_since = now
        if 0 <= passed < EVERY and (most is None or self.written <= most):
            return
        self._last, self.written = now, 0
        if self._believes_clock(now):
            self._forget(now, is_closing)
        if most is not None:
            with self._database.transaction() as transaction:
                transaction.run(FORGET_BEYOND, (most,))

    def _forget(self, now: float, is_closing: Callable[[], bool]) -> None:
        """Deletes in small steps, so that writers in other processes get their turn."""
        oldest, attempts = now - self._retention.days * DAY, now - self._retention.attempts * DAY
        old: tuple[tuple[str, Value], ...] = (
            (FORGET_ATTEMPTS, attempts),
            (FORGET_DAYS, day_of(oldest)),
            (FORGET_BUDGETS, day_of(oldest)),
            (FORGET_HOLDINGS, oldest),
        )
        for statement, value in old:
            while not is_closing():
                with self._database.transaction() as transaction:
                    gone = transaction.run(statement, (value,))
                if gone < STEP:
                    break

    def _believes_clock(self, now: float) -> bool:
        """Whether rows may be deleted by their age. If every attempt older than a day is past its retention, the
        clock is wrong, or the gateway was not used for long: nothing is deleted until the clock has run for a day."""
        oldest = now - self._retention.attempts * DAY
        with self._database.transaction(write=False) as transaction:
            has_old = bool(transaction.query(ANY_ATTEMPT, (0.0, oldest)))
            doubts = has_old and not transaction.query(ANY_ATTEMPT, (oldest, now - DAY))
        doubts = doubts and now - self._steady_since < DAY
        if doubts and not self._doubts_clock:
            log.warning(
                "old usage is kept for a day, because all of it is past its retention: is the system clock right?",
                extra={"fields": {"today": day_of(now)}},
            )
        self._doubts_clock = doubts
        return not doubts
