"""The ledger's interface to its database, which is ``sqlite`` or ``postgres``: both run the same SQL.

Any thread, one at a time; nothing here runs on the loop. Statements use ``?`` as placeholder.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from nexus.accounting.tables import MIGRATIONS, VERSION

Value = str | int | float | None
ResultRow = tuple[Any, ...]

BUSY_SECONDS = 5.0
"""How long a writer waits for another process's write."""

LAST_SECONDS = 1.0
"""How long closing waits for a running transaction."""


class DatabaseError(Exception):
    """The database cannot be opened, or a statement failed."""


class RowsRefused(DatabaseError):
    """The database works but rejects these rows, and would reject them later too."""


class NewerTables(DatabaseError):
    """A newer Nexus created the tables: this one could misread or damage them."""


class Transaction(Protocol):
    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Runs a statement; returns how many rows it changed."""
        ...

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None: ...

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[ResultRow]: ...


class Database(Protocol):
    """Every method raises DatabaseError on failure. ``alone`` is a statement that makes a transaction wait for others
    that run it, None if beginning one does so already; ``has_tables`` is a query that returns a row if Nexus's tables
    exist.
    """

    alone: str | None
    has_tables: str

    def transaction(self, *, write: bool = True) -> AbstractContextManager[Transaction]:
        """Commits at its end, rolls back on an exception; one that only reads does not block writers."""
        ...

    def check_file(self) -> None:
        """Raises DatabaseError if the opened file was removed or replaced; the next transaction opens the new one."""
        ...

    def close(self) -> None: ...


class Turns:
    """Gives one thread at a time access to a database whose calls may hang; the others wait for a limited time.
    ``patience`` is how many seconds a thread waits, and how many a transaction may take before others give up."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._began = math.inf
        """When the running transaction began, in monotonic seconds."""

    @contextmanager
    def take(self) -> Iterator[None]:
        """Waits for the thread's turn. Raises DatabaseError if it does not come."""
        left = self._began + self._patience - time.monotonic()
        if not self._lock.acquire(timeout=min(self._patience, max(0.0, left))):
            raise DatabaseError("the database does not answer")
        self._began = time.monotonic()
        try:
            yield
        finally:
            self._began = math.inf
            self._lock.release()

    @contextmanager
    def take_last(self) -> Iterator[bool]:
        """As ``take``, for closing: yields whether the turn came, because a hanging database must not keep a process
        from ending."""
        taken = self._lock.acquire(timeout=LAST_SECONDS)
        try:
            yield taken
        finally:
            if taken:
                self._lock.release()


class Cursor:
    """A Transaction over any DB API cursor; ``mark`` is the driver's placeholder."""

    def __init__(self, cursor: Any, mark: str) -> None:
        self._cursor = cursor
        self._mark = mark

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        self._cursor.execute(statement.replace("?", self._mark), tuple(values))
        return max(0, int(self._cursor.rowcount))

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        self._cursor.executemany(statement.replace("?", self._mark), [tuple(row) for row in rows])

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[ResultRow]:
        self._cursor.execute(statement.replace("?", self._mark), tuple(values))
        return [tuple(row) for row in self._cursor.fetchall()]


def version_of(transaction: Transaction, database: Database) -> int:
    """The version of the tables; 0 if there are none. Raises NewerTables."""
    if not transaction.query(database.has_tables):
        return 0
    rows = transaction.query("SELECT version FROM schema_version")
    version = int(rows[0][0]) if rows else 0
    if version > VERSION:
        raise NewerTables(f"its tables are of version {version}, and this Nexus knows {VERSION}: use a newer one")
    return version


def migrate(database: Database) -> None:
    """Migrates the tables to this version; writes nothing if they are current. Raises DatabaseError."""
    with database.transaction(write=False) as transaction:
        if version_of(transaction, database) == VERSION:
            return
    with database.transaction() as transaction:
        if database.alone is not None:
            transaction.run(database.alone)
        transaction.run("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        for step in MIGRATIONS[version_of(transaction, database) :]:
            for statement in step:
                transaction.run(statement)
        transaction.run("DELETE FROM schema_version")
        transaction.run("INSERT INTO schema_version (version) VALUES (?)", (VERSION,))
