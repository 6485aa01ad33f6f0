"""How long the ledger keeps rows, and deleting older ones. On the ledger's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable

from nexus.accounting.database import Database, Value
from nexus.accounting.days import DAY, day_of
from nexus.accounting.tables import (
    FORGET_ATTEMPTS,
    FORGET_BEYOND,
    FORGET_BUDGETS,
    FORGET_DAYS,
    FORGET_HOLDINGS,
    LAST_ATTEMPT,
    STEP,
)
from nexus.dataclasses import dataclass

log = logging.getLogger("nexus.usage")

EVERY = 600.0
"""Seconds between deletions of old rows."""

CLOCK_JUMP = 3600.0
"""A clock that moves further than this between two deletions, in seconds, was set, or the machine was asleep."""

SILENCE = 7 * DAY
"""Without calls for this long, in seconds, a warning asks whether the clock is right."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Days to keep each kind of row; ``most`` is the maximum number of attempt rows, beyond which the oldest are
    deleted, None for no maximum."""

    attempts: int = 35
    days: int = 400
    most: int | None = None


class Cleanup:
    """Deletes old rows periodically. ``written`` counts the rows added since the last deletion."""

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
        self._forget(self._assumed_now(now), is_closing)
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

    def _assumed_now(self, now: float) -> float:
        """Returns the time from which ages are counted. A clock that has not run for a day may be wrong: it counts as
        at most a day after the last attempt of earlier days."""
        if now - self._steady_since >= DAY:
            return now
        with self._database.transaction(write=False) as transaction:
            ((last,),) = transaction.query(LAST_ATTEMPT, (now - DAY,))
        gap = 0.0 if last is None else now - DAY - last
        if gap >= SILENCE and not self._doubts_clock:
            log.warning(
                "old usage is kept for a day, because the last call was long ago: is the system clock right?",
                extra={"fields": {"today": day_of(now), "last": day_of(last)}},
            )
        self._doubts_clock = gap >= SILENCE
        return now - gap
