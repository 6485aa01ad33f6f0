"""The ledger: writes the usage of calls to the database from its own thread.

Law: ``add`` never waits and never raises. The queue is bounded: calls that do not fit, or that a broken database does
not accept, are counted as lost and reported once. Added calls are in the database within a second, and at once if no
later call records the same usage.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from nexus.accounting.database import Database, DatabaseError, RowsRefused, migrate
from nexus.accounting.record import CallRecord
from nexus.accounting.retention import Cleanup, Retention
from nexus.accounting.writing import Item, items_of, unwritten, write

log = logging.getLogger("nexus.usage")

ROOM = 20_000
"""Maximum number of queued calls."""

SOON = 1000
"""Queue length up to which records wait unconverted; beyond it their rows are made at once, because a record may be
large."""

BATCH = 500
LINGER = 0.5
"""Seconds that a call waits to be batched with others."""

PAUSE = (1.0, 30.0)
"""Seconds until a broken database is retried: at first, and at most."""

MOST_IN_MEMORY = 50_000
"""Maximum number of attempt rows in a store in memory, about 30 MB."""


class Ledger:
    """Writes records in the background. Thread-safe. ``close`` writes what is left."""

    def __init__(
        self, database: Database, retention: Retention | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.database = database
        self._cleanup = Cleanup(database, retention or Retention(), clock)
        self._changed = threading.Condition()
        self._waiting: deque[CallRecord | tuple[Item, ...]] = deque()
        self._closing = self._writing = self._flushing = False
        self._lost = 0
        self._is_ready = False
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Calls lost since the start."""
        return self._lost

    @property
    def fails(self) -> bool:
        """Whether the last write to the database failed."""
        return bool(self._failure)

    def add(self, call: CallRecord | tuple[Item, ...]) -> None:
        """Appends to the queue; converts a record only if the queue is long. Runs on the loop."""
        waiting = len(self._waiting)
        if waiting >= ROOM or self._closing:
            self._lose(1, "the queue for the database is full")
            return
        self._waiting.append(items_of(call) if waiting >= SOON else call)
        if waiting == BATCH or (isinstance(call, CallRecord) and call.claims):
            with self._changed:
                self._flushing = True
                self._changed.notify_all()

    def flush(self, seconds: float = 10.0) -> bool:
        """Writes what is queued, within ``seconds``; returns whether all is written."""
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, seconds)

    def close(self, seconds: float = 2.0) -> None:
        """Writes what is left, within ``seconds``, and stops."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self.database.close()
        elif self._waiting:
            self._lose(len(self._waiting), "the gateway is stopping and the database does not answer")

    def _run(self) -> None:
        pause = PAUSE[0]
        while (batch := self._next()) is not None:
            try:
                self._write(batch)
                pause = PAUSE[0]
                if self._failure:
                    log.info("usage is recorded again", extra={"fields": {"lost": self._lost}})
                self._failure = ""
            except DatabaseError as error:
                # When it works again it may be a new database, without tables.
                self._is_ready = False
                self._log_failure(str(error))
                if self._pause(pause, batch):
                    pause = min(pause * 2, PAUSE[1])
            except Exception:
                log.exception("usage could not be recorded")
                self._lose(len(batch), "it could not be recorded")
            finally:
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()

    def _next(self) -> list[CallRecord | tuple[Item, ...]] | None:
        """The next batch, empty if only cleanup is due; None at the end."""
        with self._changed:
            if self._is_ready:
                self._changed.wait_for(lambda: self._closing or self._flushing or len(self._waiting) >= BATCH, LINGER)
            if self._closing and not self._waiting:
                return None
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._writing, self._flushing = bool(batch), self._flushing and bool(self._waiting)
            return batch

    def _pause(self, seconds: float, batch: Sequence[CallRecord | tuple[Item, ...]]) -> bool:
        """Requeues a batch and waits; False if the ledger is closing, which loses the batch."""
        with self._changed:
            if self._closing:
                self._lose(len(batch), "the gateway is stopping")
                return False
            self._waiting.extendleft(reversed(batch))
            self._changed.wait_for(lambda: self._closing, seconds)
            return True

    def _lose(self, count: int, why: str) -> None:
        if not self._lost:
            log.error("usage is lost", extra={"fields": {"why": why, "calls": count}})
        self._lost += count

    def _log_failure(self, why: str) -> None:
        if why != self._failure:
            log.error("usage cannot be recorded for now", extra={"fields": {"why": why}})
        self._failure = why

    def _write(self, batch: Sequence[CallRecord | tuple[Item, ...]]) -> None:
        if not self._is_ready:
            migrate(self.database)
            self._is_ready = True
        if batch:
            self._write_rows([items_of(call) for call in batch])
        else:
            self.database.check_file()
        self._cleanup.run(lambda: self._closing)

    def _write_rows(self, calls: Sequence[tuple[Item, ...]]) -> None:
        """Writes the rows of calls; on a rejection bisects them, so that one rejected call does not block others."""
        items = [item for call in calls for item in call]
        try:
            with self.database.transaction() as transaction:
                # An earlier commit may have succeeded although its reply was lost.
                write(transaction, unwritten(transaction, items) if self._failure else items)
            self._cleanup.written += len(items)
        except RowsRefused as error:
            if len(calls) == 1:
                self._lose(1, f"the database rejects it: {error}")
                return
            middle = len(calls) // 2
            self._write_rows(calls[:middle])
            self._write_rows(calls[middle:])
