"""The ledger's database in a SQLite file, or in memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from nexus.accounting.database import BUSY_SECONDS, Cursor, DatabaseError, RowsRefused, Transaction, Turns

SYNCHRONOUS = "NORMAL"
"""When SQLite syncs to disk: kill -9 loses nothing that was committed; a power cut at most the last commits."""

_ABANDONED: list[sqlite3.Connection] = []
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
        with self._turns.take():
            try:
                connection = self._opened()
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield Cursor(connection.cursor(), "?")
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

    def check_file(self) -> None:
        with self._turns.take():
            self._check()

    def _check(self) -> None:
        if self._connection is not None and self.path is not None and self._file != _identity(self.path):
            _ABANDONED.append(self._connection)
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
        with self._turns.take_last() as is_free:
            if is_free and self._connection is not None:
                self._connection.close()
                self._connection = None


def _advice(error: sqlite3.Error) -> str:
    # Errors raised by the Python module itself have no name.
    damaged = getattr(error, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB")
    return "; move it away, and a running gateway starts a new one" if damaged else ""


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
        # SQLite would create the file readable for everyone; its other files get the same mode. One that exists must
        # not be opened: closing it would release the locks of this process's other connections, and the next program
        # that reads the file would delete the log that they write.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
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


def version_in(file: Path) -> int:
    """The version of the tables in a file; 0 if there are none."""
    if not os.path.isfile(file):
        return 0
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=1.0)) as connection:
            found = connection.execute("SELECT version FROM schema_version").fetchone()
    except sqlite3.Error:
        return 0
    return int(found[0]) if found else 0
