"""The databases that a ledger supports: each ledger test runs on all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.accounting.database import Database
from nexus.accounting.sqlite import SqliteDatabase
from tests.accounting.postgres_server import PostgresServer, require


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    require()
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["memory", "file", pytest.param("postgres", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    match request.param:
        case "memory":
            return SqliteDatabase(None)
        case "file":
            return SqliteDatabase(tmp_path / "state" / "usage.sqlite3")
        case _:
            server: PostgresServer = request.getfixturevalue("postgres")
            from nexus.accounting.postgres import PostgresDatabase

            return PostgresDatabase(server.fresh())
