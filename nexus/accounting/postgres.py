"""The ledger's database in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from nexus.accounting.database import BUSY_SECONDS, Cursor, DatabaseError, RowsRefused, Transaction, Turns


class PostgresDatabase:
    """Connects on first use, and again after losing a connection. ``patience`` is the statement timeout in seconds, and
    how long others wait for a running transaction: only one thread hangs with the server."""

    alone: str | None = "SELECT pg_advisory_xact_lock(7235419)"
    has_tables = (
        "SELECT 1 FROM pg_tables WHERE tablename = 'schema_version' AND schemaname = ANY (current_schemas(false))"
    )

    def __init__(self, url: str, patience: float = 60.0) -> None:
        self._url = url
        self._limit = int(patience * 1000)
        self._turns = Turns(patience)
        self._connection: psycopg.Connection[Any] | None = None

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Transaction]:
        with self._turns.take():
            try:
                with ExitStack() as stack:
                    cursor = stack.enter_context(self._begin(stack).cursor())
                    yield Cursor(cursor, "%s")
            except (psycopg.DataError, psycopg.IntegrityError, UnicodeError) as error:
                raise RowsRefused(_first_line(str(error))) from error
            except psycopg.Error as error:
                raise DatabaseError(_first_line(str(error)) or type(error).__name__) from error

    def _begin(self, stack: ExitStack) -> psycopg.Connection[Any]:
        """Begins a transaction, on a new connection if the server closed the kept one while it was idle."""
        kept = self._connection
        if kept is not None and not kept.closed:
            try:
                stack.enter_context(kept.transaction())
            except psycopg.OperationalError:
                if not kept.closed:
                    raise
            else:
                return kept
        self._connection = self._connect()
        stack.enter_context(self._connection.transaction())
        return self._connection

    def _connect(self) -> psycopg.Connection[Any]:
        # An argument replaces what the URL says.
        given = conninfo_to_dict(self._url).get("options") or ""
        return psycopg.connect(
            self._url,
            connect_timeout=int(BUSY_SECONDS),
            client_encoding="utf8",
            options=f"-c statement_timeout={self._limit} {given}",
            # For a server that vanished.
            tcp_user_timeout=self._limit,
        )

    def check_file(self) -> None:
        """Nothing to do: the next query notices a lost server."""

    def close(self) -> None:
        with self._turns.take_last() as is_free:
            if is_free and self._connection is not None:
                self._connection.close()


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
