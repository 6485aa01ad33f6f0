"""The usage store of a configuration: opened and checked before serving.

A store that does not work does not prevent serving, except one that a newer Nexus created.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nexus.accounting.database import Database, DatabaseError, NewerTables, migrate
from nexus.accounting.tables import VERSION
from nexus.settings import Settings
from nexus.settings.problems import CannotServe
from nexus.settings.types import needs
from nexus.settings.usage import MEMORY, NONE, SQLITE

log = logging.getLogger("nexus.usage")

STORE = ("usage", "store")


def open_store(store: str, patience: float = 60.0) -> Database | None:
    """Opens a store; None if usage is not recorded. ``patience`` is how long a statement may take, in seconds. Raises
    CannotServe."""
    if store == NONE:
        return None
    if store == MEMORY or (file := file_of(store)) is not None:
        from nexus.accounting.sqlite import SqliteDatabase

        return SqliteDatabase(None) if store == MEMORY else SqliteDatabase(file, patience)
    try:
        from nexus.accounting.postgres import PostgresDatabase
    except ImportError:
        raise CannotServe(STORE, needs("psycopg", "postgres")) from None
    return PostgresDatabase(store, patience)


def file_of(store: str) -> Path | None:
    """The file of a SQLite store; None for others."""
    return Path(store.removeprefix(SQLITE)) if store.startswith(SQLITE) else None


@contextmanager
def usable_store(settings: Settings, processes: int) -> Iterator[str]:
    """The store to use, with its tables created. Several processes share a temporary file if nothing is to outlive
    them. Raises CannotServe.
    """
    store = prepared(settings)
    if store != MEMORY or processes == 1:
        yield store
        return
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="nexus-usage-", dir=memory) as folder:
        yield f"{SQLITE}{folder}/usage.sqlite3"


_MEMORY = "/dev/shm"
"""A file system in memory."""


def prepared(settings: Settings) -> str:
    """The store to use: memory if the default store does not work. With any other, the ledger reports the error and
    keeps retrying. Raises CannotServe."""
    store, is_default = settings.origin.store, settings.usage.store is None
    if is_default and store == MEMORY and settings.origin.files:
        _warn_memory("neither XDG_STATE_HOME nor HOME names a folder")
    database = open_store(store)
    if database is None:
        return store
    try:
        migrate(database)
    except NewerTables as error:
        raise CannotServe(STORE, str(error)) from error
    except DatabaseError as error:
        if is_default:
            _warn_memory(str(error))
            return MEMORY
    finally:
        database.close()
    return store


def _warn_memory(why: str) -> None:
    log.warning("usage is kept in memory only; set [usage] store to keep it", extra={"fields": {"why": why}})


def check_store(settings: Settings) -> None:
    """Raises CannotServe for a problem of the store that only other settings or another Nexus version can fix. Changes
    nothing."""
    open_store(settings.origin.store)
    file = file_of(settings.origin.store)
    if file is None:
        return
    from nexus.accounting.sqlite import version_in

    if (version := version_in(file)) > VERSION:
        text = f"{file} was written by a newer Nexus: its tables have version {version}, this one supports {VERSION}"
        raise CannotServe(STORE, text)
    if settings.usage.store is not None and not _is_writable(file):
        raise CannotServe(STORE, f"{file} cannot be written")


def _is_writable(file: Path) -> bool:
    if os.path.exists(file):
        return os.path.isfile(file) and os.access(file, os.R_OK | os.W_OK)
    there = next(folder for folder in file.parents if os.path.exists(folder))
    return os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)
