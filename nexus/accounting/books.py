"""The ledger of one process: told of every call that is over, and read by whoever may.

Law: telling is for the loop and never waits. Reading blocks, has a connection of its own, and takes few threads at a
time, so that a database that hangs keeps nobody else from working.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nexus.accounting.database import Database
from nexus.accounting.ledger import MOST_IN_MEMORY, Kept, Ledger
from nexus.accounting.record import CallRecord
from nexus.accounting.state import open_store
from nexus.errors import NotFound, Overloaded
from nexus.settings.usage import MEMORY

MOST_STRANGERS = 600
"""Requests in a minute that are written down though nobody knows who sent them: of a flood a part says enough."""

MOST_READERS = 2

PATIENCE = 30.0
"""Seconds for one question."""

NOT_CALLS = frozenset({"GET", "HEAD", "OPTIONS", ""})
"""Methods of requests that were refused and asked for nothing that a vendor does."""


class Books:
    """``ledger`` is None where nothing is kept."""

    def __init__(self, store: str) -> None:
        """Raises NoDriver."""
        database = open_store(store)
        kept = Kept(most=MOST_IN_MEMORY if store == MEMORY else None)
        self.ledger = Ledger(database, kept) if database is not None else None
        # What is in memory is in one connection.
        self._reader: Database | None = database if store == MEMORY else open_store(store, PATIENCE)
        self.held: Database | None = database if store == MEMORY else open_store(store, PATIENCE)
        """For whose files and batches are, which a call waits for."""
        self._reading = threading.BoundedSemaphore(MOST_READERS)
        self._strangers = _Minute()

    @property
    def outlive(self) -> bool:
        """Whether they are there when this process is not, and the same for all that write them."""
        return self.ledger is not None and self._reader is not self.ledger.database

    def __call__(self, record: CallRecord) -> None:
        """A consumer of finished calls."""
        if self.ledger is None or (record.operation is None and not self._counts(record)):
            return
        self.ledger.add(record)

    def _counts(self, refused: CallRecord) -> bool:
        """Whether a request that was refused early is written down."""
        if refused.method in NOT_CALLS:
            return False
        return refused.identity is not None or self._strangers.take(refused.at)

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Never on the loop. Raises NotFound where nothing is kept, Overloaded where too many read."""
        if self._reader is None:
            raise NotFound('usage is not recorded here: [usage] store is "none"')
        if not self._reading.acquire(blocking=False):
            raise Overloaded("too many usage queries at once; retry", retry_after=1)
        try:
            yield self._reader
        finally:
            self._reading.release()

    def close(self) -> None:
        """Writes what is left, for a moment."""
        if self.ledger is not None:
            self.ledger.close()
            for other in (self._reader, self.held):
                if other is not None and other is not self.ledger.database:
                    other.close()


class _Minute:
    """At most so many of something in a minute."""

    def __init__(self) -> None:
        self._minute = 0
        self._count = 0

    def take(self, at: float) -> bool:
        minute = int(at // 60)
        if minute != self._minute:
            self._minute, self._count = minute, 0
        self._count += 1
        return self._count <= MOST_STRANGERS
