"""The ledger's database: SQLite in a file or in memory, or PostgreSQL; both take the same SQL.

Any thread, one at a time; nothing here runs on the loop. Statements write ``?`` for a value.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from nexus.accounting.tables import MIGRATIONS, VERSION

Value = str | int | float | None
Row = tuple[Any, ...]

BUSY_SECONDS = 5.0
"""For which a writer waits while another process writes."""


class DatabaseError(Exception):
    """The database cannot be opened, or does not do what it was asked."""


class Transaction(Protocol):
    """What can be done between a beginning and a commit."""

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """How many rows it changed."""
        ...

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None: ...

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[Row]: ...


class Database(Protocol):
    """Every method raises DatabaseError for what the database does not do. ``alone`` is the statement that makes a
    transaction wait for others that run it, where beginning one does not do so already.
    """

    alone: str | None

    def transaction(self, *, write: bool = True) -> AbstractContextManager[Transaction]:
        """Committed at its end, rolled back where it raises; one that only reads keeps nobody from writing."""
        ...

    def close(self) -> None: ...


class _Cursor:
    """A Transaction over any cursor of the DB API; ``mark`` is how its statements write a value."""

    def __init__(self, cursor: Any, mark: str) -> None:
        self._cursor = cursor
        self._mark = mark

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        self._cursor.execute(statement.replace("?", self._mark), tuple(values))
        return max(0, int(self._cursor.rowcount))

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        self._cursor.executemany(statement.replace("?", self._mark), [tuple(row) for row in rows])

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        self._cursor.execute(statement.replace("?", self._mark), tuple(values))
        return [tuple(row) for row in self._cursor.fetchall()]


class SqliteDatabase:
    """``path`` None keeps everything in memory, and forgets it with the process."""

    alone: str | None = None

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            if path is not None:
                # kill -9 loses nothing that was committed; a power cut may lose the last commits, never the file.
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(str(error)) from error

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Transaction]:
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield _Cursor(self._connection.cursor(), "?")
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise DatabaseError(str(error)) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()


class PostgresDatabase:
    """Connects when it is first asked, and anew after a connection was lost."""

    alone: str | None = "SELECT pg_advisory_xact_lock(7235419)"

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: Any = None

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Transaction]:
        import psycopg

        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(
                        self._url, connect_timeout=int(BUSY_SECONDS), client_encoding="utf8"
                    )
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    yield _Cursor(cursor, "%s")
            except psycopg.Error as error:
                raise DatabaseError(_first_line(str(error))) from error

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def migrate(database: Database) -> None:
    """Brings the tables to this version. Raises DatabaseError, for tables of a newer Nexus too."""
    with database.transaction() as transaction:
        if database.alone is not None:
            transaction.run(database.alone)
        transaction.run("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        rows = transaction.query("SELECT version FROM schema_version")
        version = int(rows[0][0]) if rows else 0
        if version > VERSION:
            raise DatabaseError(f"its tables are of version {version}, and this Nexus knows {VERSION}; it is too old")
        for step in MIGRATIONS[version:]:
            for statement in step:
                transaction.run(statement)
        transaction.run("DELETE FROM schema_version")
        transaction.run("INSERT INTO schema_version (version) VALUES (?)", (VERSION,))
