"""The ledger's database: SQLite in a file or in memory, or PostgreSQL; both run the same SQL.

Any thread, one at a time; nothing here runs on the loop. Statements use ``?`` as placeholder.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from nexus.accounting.tables import MIGRATIONS, VERSION
from nexus.accounting.turns import Turns

Value = str | int | float | None
ResultRow = tuple[Any, ...]

BUSY_SECONDS = 5.0
"""How long a writer waits for another process's write."""

SYNCHRONOUS = "NORMAL"
"""When SQLite syncs to disk: kill -9 loses nothing that was committed; a power cut at most the last commits."""


class DatabaseError(Exception):
    """The database cannot be opened, or a statement failed."""


class RowsRefused(DatabaseError):
    """The database works but rejects these rows, and would reject them later too."""


class NewerTables(DatabaseError):
    """A newer Nexus created the tables: this one could misread or damage them."""


class NoDriver(DatabaseError):
    """The database driver's package is missing."""


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

    def look(self) -> None:
        """Raises DatabaseError if the opened file was removed or replaced; the next transaction opens the new one."""
        ...

    def close(self) -> None: ...


@contextmanager
def _turn(turns: Turns) -> Iterator[None]:
    with turns.taken() as is_free:
        if not is_free:
            raise DatabaseError("the database does not answer")
        yield


class _Cursor:
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


_LEFT: list[sqlite3.Connection] = []
"""Connections to files that were removed or replaced. Closing one, or losing the last reference to it, would delete the
write-ahead log of a new file of that name, with what others wrote to it."""


class SqliteDatabase:
    """Opened on first use. ``path`` None keeps everything in memory, until the process ends. ``patience`` is how many
    seconds threads wait for a running transaction."""

    alone: str | None = None
    has_tables = "SELECT 1 FROM sqlite_master WHERE name = 'schema_version'"

    def __init__(self, path: Path | None, patience: float = 60.0) -> None:
        self.path = path
        self._turns = Turns(patience)
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Transaction]:
        with _turn(self._turns):
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
        with _turn(self._turns):
            self._check()

    def _check(self) -> None:
        if self._connection is not None and self.path is not None and self._file != _identity(self.path):
            _LEFT.append(self._connection)
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
            # Closed, because SQLite recovers when it is opened again.
            connection.close()
            self._connection = None
            raise

    def close(self) -> None:
        with self._turns.last() as is_free:
            if is_free and self._connection is not None:
                self._connection.close()
                self._connection = None


def _advice(error: sqlite3.Error) -> str:
    # Errors raised by the Python module itself have no name.
    damaged = getattr(error, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB")
    return "; move it away, and a gateway that runs begins another one" if damaged else ""


def _identity(path: Path) -> tuple[int, int] | None:
    """The identity of a file, independent of its name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connected(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite would create the file readable for everyone; its other files get the same mode.
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
    """Connects on first use, and again after losing a connection. ``patience`` is the statement timeout in seconds, and
    how long others wait for a running transaction: only one thread hangs with the server."""

    alone: str | None = "SELECT pg_advisory_xact_lock(7235419)"
    has_tables = (
        "SELECT 1 FROM pg_tables WHERE tablename = 'schema_version' AND schemaname = ANY (current_schemas(false))"
    )

    def __init__(self, url: str, patience: float = 60.0) -> None:
        self._url = url
        limit = int(patience * 1000)
        # Of the two timeouts the second is for a server that vanished.
        self._options: Any = {"options": f"-c statement_timeout={limit}", "tcp_user_timeout": limit}
        self._turns = Turns(patience)
        self._connection: Any = None

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Transaction]:
        import psycopg

        with _turn(self._turns):
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(
                        self._url, connect_timeout=int(BUSY_SECONDS), client_encoding="utf8", **self._options
                    )
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    yield _Cursor(cursor, "%s")
            except (psycopg.DataError, psycopg.IntegrityError, UnicodeError) as error:
                raise RowsRefused(_first_line(str(error))) from error
            except psycopg.Error as error:
                raise DatabaseError(_first_line(str(error)) or type(error).__name__) from error

    def look(self) -> None:
        """Nothing to do: the next query notices a lost server."""

    def close(self) -> None:
        with self._turns.last() as is_free:
            if is_free and self._connection is not None:
                self._connection.close()


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def version_of(transaction: Transaction, database: Database) -> int:
    """The version of the tables; 0 if there are none. Raises NewerTables."""
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
