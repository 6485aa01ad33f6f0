"""The usage ledger of one process: records every finished call, and gives readers access.

Law: recording runs on the loop and never waits. Reading blocks, uses its own connection and few threads at a time, so
that a hanging database does not block other work.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nexus.accounting.database import BUSY_SECONDS, Database
from nexus.accounting.file_owners import FileOwners
from nexus.accounting.ledger import MOST_IN_MEMORY, Ledger
from nexus.accounting.record import CallRecord
from nexus.accounting.retention import Retention
from nexus.accounting.state import open_store
from nexus.errors import NotFound, Overloaded
from nexus.settings.usage import MEMORY

MOST_STRANGERS = 600
"""Maximum number of requests of unknown senders to record per minute: part of a flood is enough."""

MOST_READERS = 2

PATIENCE = 30.0
"""Timeout in seconds of one query."""

NOT_CALLS = frozenset({"GET", "HEAD", "OPTIONS", ""})
"""Methods whose rejected requests are not recorded, because they cannot be calls to a vendor."""


class Books:
    """``ledger`` is None if usage is not recorded; ``owners`` are those of files and batches."""

    def __init__(self, store: str, *, lasts: bool = True) -> None:
        """Opens the store. ``lasts``: not a temporary one in memory, which must stay small. Raises CannotServe."""
        database = open_store(store)
        retention = Retention(most=None if lasts and store != MEMORY else MOST_IN_MEMORY)
        self.ledger = Ledger(database, retention) if database is not None else None
        # A store in memory exists only in its one connection.
        self._reader: Database | None = database if store == MEMORY else open_store(store, PATIENCE)
        self._for_calls: Database | None = database if store == MEMORY else open_store(store, BUSY_SECONDS)
        self.owners = FileOwners(self._for_calls)
        self._reading = threading.BoundedSemaphore(MOST_READERS)
        self._strangers = _Minute()

    @property
    def outlives_process(self) -> bool:
        """Whether the records outlive this process and are shared with the others."""
        return self.ledger is not None and self._reader is not self.ledger.database

    def __call__(self, record: CallRecord) -> None:
        if self.ledger is None or (record.operation is None and not self._counts(record)):
            return
        self.ledger.add(record)

    def _counts(self, refused: CallRecord) -> bool:
        """Whether to record a request that was rejected early."""
        if refused.method in NOT_CALLS:
            return False
        return refused.identity is not None or self._strangers.take(refused.at)

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """A database to read from. Never on the loop. Raises NotFound if usage is not recorded, Overloaded if there are
        too many readers."""
        if self._reader is None:
            raise NotFound('usage is not recorded here: [usage] store is "none"')
        if not self._reading.acquire(blocking=False):
            raise Overloaded("too many queries at once; retry in a moment", retry_after=1)
        try:
            yield self._reader
        finally:
            self._reading.release()

    def close(self) -> None:
        """Writes what is left, within a short timeout, and closes the databases."""
        if self.ledger is not None:
            self.ledger.close()
            for other in (self._reader, self._for_calls):
                if other is not None and other is not self.ledger.database:
                    other.close()


class _Minute:
    """Allows MOST_STRANGERS per minute."""

    def __init__(self) -> None:
        self._minute = 0
        self._count = 0

    def take(self, at: float) -> bool:
        minute = int(at // 60)
        if minute != self._minute:
            self._minute, self._count = minute, 0
        self._count += 1
        return self._count <= MOST_STRANGERS
