"""Where the ledger of a configuration is, and how it is opened.

The default is one file for each configuration, in the user's state folder; two configurations never share one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from nexus.accounting.database import Database, DatabaseError, PostgresDatabase, SqliteDatabase

NONE = "none"
MEMORY = "memory"
_SQLITE = "sqlite:///"


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder of the XDG Base Directory Specification for what outlives a process."""
    named = environ.get("XDG_STATE_HOME", "")
    base = Path(named) if named.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    return base / "nexus"


def store_of(written: str | None, config: Path | None, folder: Path) -> str:
    """The store that settings mean: ``written`` in them, else a file in ``folder`` that goes with ``config``. Without a
    configuration, as in the demo, everything stays in memory. A relative path begins at the configuration.
    """
    if config is None:
        return written or MEMORY
    if written is None:
        digest = hashlib.sha256(str(config.resolve()).encode()).hexdigest()[:12]
        return f"{_SQLITE}{folder / f'usage-{digest}.sqlite3'}"
    if written.startswith(_SQLITE):
        return f"{_SQLITE}{config.resolve().parent / written.removeprefix(_SQLITE)}"
    return written


def open_store(store: str) -> Database | None:
    """None for the store that keeps nothing. Raises DatabaseError."""
    if store == NONE:
        return None
    if store == MEMORY:
        return SqliteDatabase(None)
    if store.startswith(_SQLITE):
        return SqliteDatabase(Path(store.removeprefix(_SQLITE)))
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise DatabaseError("needs the Python package psycopg, which is not installed") from None
    return PostgresDatabase(store)
