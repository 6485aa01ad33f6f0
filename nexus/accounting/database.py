"""The ledger's database: SQLite in a file or in memory, or PostgreSQL; both take the same SQL.

Any thread, one at a time; nothing here runs on the loop. Statements write ``?`` for a value.
"""

from __future__ import annotations

import os
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

SYNCHRONOUS = "NORMAL"
"""When SQLite waits for the disk: kill -9 loses nothing that was committed; a power cut may lose the last commits,
never the file.
"""

LAST_SECONDS = 1.0
"""For which closing waits for what runs."""


class DatabaseError(Exception):
    """The database cannot be opened, or does not do what it was asked."""


class RowsRefused(DatabaseError):
    """The database works, and does not take these rows; it will not take them later either."""


class NewerTables(DatabaseError):
    """A newer Nexus made the tables: this one would not know what it reads, or spoils."""


class NoDriver(DatabaseError):
    """A package is missing."""


class Transaction(Protocol):
    """What can be done between a beginning and a commit."""

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """How many rows it changed."""
        ...

    def run_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None: ...

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[Row]: ...


class Database(Protocol):
    """Every method raises DatabaseError for what the database does not do. ``alone`` is the statement that makes a
    transaction wait for others that run it, where beginning one does not do so already; ``has_tables`` the one that
    gives a row where there are tables of Nexus.
    """

    alone: str | None
    has_tables: str

    def transaction(self, *, write: bool = True) -> AbstractContextManager[Transaction]:
        """Committed at its end, rolled back where it raises; one that only reads keeps nobody from writing."""
        ...

    def look(self) -> None:
        """Notices that what was opened is there no more; the next transaction opens what is there instead."""
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
    """Opened when it is first asked. ``path`` None keeps everything in memory, and forgets it with the process."""

    alone: str | None = None
    has_tables = "SELECT 1 FROM sqlite_master WHERE name = 'schema_version'"

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._left: list[sqlite3.Connection] = []

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Transaction]:
        with self._lock:
            try:
                connection = self._opened()
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield _Cursor(connection.cursor(), "?")
                    connection.execute("COMMIT")
                except BaseException:
                    self._roll_back(connection)
                    raise
            except (sqlite3.DataError, sqlite3.IntegrityError, OverflowError, UnicodeError) as error:
                raise RowsRefused(str(error)) from error
            except sqlite3.Error as error:
                raise DatabaseError(f"{self.path}: {error}{_advice(error)}" if self.path else str(error)) from error
            except OSError as error:
                raise DatabaseError(f"{self.path}: {(error.strerror or str(error)).lower()}") from error

    def look(self) -> None:
        with self._lock:
            self._check()

    def _check(self) -> None:
        if self._connection is not None and self.path is not None and self._file != _identity(self.path):
            # To close it would remove the log of a new file of that name, with what others wrote into it.
            self._left.append(self._connection)
            self._connection = None
            raise DatabaseError(f"{self.path} was removed or replaced while it was open")

    def _opened(self) -> sqlite3.Connection:
        self._check()
        if self._connection is None:
            self._connection = _connected(self.path)
            self._file = _identity(self.path) if self.path is not None else None
        return self._connection

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            # Opened anew, which is what SQLite recovers at.
            connection.close()
            self._connection = None
            raise

    def close(self) -> None:
        with _soon(self._lock) as is_free:
            if is_free and self._connection is not None:
                self._connection.close()
                self._connection = None


@contextmanager
def _soon(lock: threading.Lock) -> Iterator[bool]:
    """Whether it could be had: whoever hangs in a database must not keep a process from ending."""
    taken = lock.acquire(timeout=LAST_SECONDS)
    try:
        yield taken
    finally:
        if taken:
            lock.release()


def _advice(error: sqlite3.Error) -> str:
    # Errors of the module itself have no name.
    damaged = getattr(error, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB")
    return "; move it away, and a gateway that runs begins another one" if damaged else ""


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, whatever it is called; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connected(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite would let everybody read a file that it makes; its other files are made like this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        ":memory:" if path is None else path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        if path is not None:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
    except BaseException:
        connection.close()
        raise
    return connection


class PostgresDatabase:
    """Connects when it is first asked, and anew after a connection was lost. No statement takes longer than
    ``patience`` seconds.
    """

    alone: str | None = "SELECT pg_advisory_xact_lock(7235419)"
    has_tables = (
        "SELECT 1 FROM pg_tables WHERE tablename = 'schema_version' AND schemaname = ANY (current_schemas(false))"
    )

    def __init__(self, url: str, patience: float = 60.0) -> None:
        self._url = url
        self._options = f"-c statement_timeout={int(patience * 1000)}"
        self._lock = threading.Lock()
        self._connection: Any = None

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Transaction]:
        import psycopg

        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(
                        self._url,
                        connect_timeout=int(BUSY_SECONDS),
                        client_encoding="utf8",
                        options=self._options,
                    )
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    yield _Cursor(cursor, "%s")
            except (psycopg.DataError, psycopg.IntegrityError, UnicodeError) as error:
                raise RowsRefused(_first_line(str(error))) from error
            except psycopg.Error as error:
                raise DatabaseError(_first_line(str(error))) from error

    def look(self) -> None:
        """A server that is gone is noticed by who asks it."""

    def close(self) -> None:
        with _soon(self._lock) as is_free:
            if is_free and self._connection is not None:
                self._connection.close()


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def version_of(transaction: Transaction, database: Database) -> int:
    """Of the tables: 0 where there are none. Raises NewerTables."""
    if not transaction.query(database.has_tables):
        return 0
    rows = transaction.query("SELECT version FROM schema_version")
    version = int(rows[0][0]) if rows else 0
    if version > VERSION:
        raise NewerTables(
            f"its tables are of version {version}, and this Nexus knows {VERSION}; it is too old for them"
        )
    return version


def migrate(database: Database) -> None:
    """Brings the tables to this version; writes nothing where they are. Raises DatabaseError."""
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
