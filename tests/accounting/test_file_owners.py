"""Ownership of files and batches on every database: stored, paged, charged once, and deleted when unused."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from nexus.accounting.database import Database, DatabaseError, Transaction, migrate
from nexus.accounting.file_owners import LONGEST_STATE, FileOwners, Owned
from nexus.accounting.ledger import Ledger
from nexus.accounting.retention import Cleanup, Retention
from nexus.accounting.sqlite import SqliteDatabase
from nexus.accounting.tables import MIGRATIONS
from nexus.errors import Overloaded
from tests.peers import Job

FILE = Owned("openai", "file-1", "files", "key:alice", "openai", "batch", models={"gpt-4": ("smart", "gpt")})


@pytest.fixture
def owners(database: Database) -> Iterator[FileOwners]:
    with closing(database):
        ticks = iter(range(1, 10_000))
        owners = FileOwners(database, lambda: float(next(ticks)))
        yield owners


def test_stored_objects_are_found_by_id(owners: FileOwners) -> None:
    owners.add(replace(FILE, state={"id": "file-1"}))
    owners.add(replace(FILE, owner="key:bob"))
    owners.add(replace(FILE, provider="other", owner="key:bob"))
    found = owners.find([FILE.id, "file-2", *(f"file-x{n}" for n in range(1200))])
    assert {(one.provider, one.owner) for one in found} == {("openai", "key:alice"), ("other", "key:bob")}
    first = next(one for one in found if one.provider == "openai")
    assert (first.models, first.state) == ({"gpt-4": ("smart", "gpt")}, {"id": "file-1"})
    assert owners.note(first, {"id": "file-1", "status": "x" * LONGEST_STATE}).state["id"] == "file-1"
    assert [one.state for one in owners.find([FILE.id]) if one.provider == "openai"] == [{}]
    owners.forget(first)
    assert [one.provider for one in owners.find([FILE.id])] == ["other"]


def test_pages_list_the_objects_of_one_owner_in_order(owners: FileOwners) -> None:
    for number in range(6):
        owner = "key:bob" if number == 3 else "key:alice"
        owners.add(replace(FILE, id=f"file-{number}", owner=owner, purpose="batch" if number else ""))

    def page(owner: str | None = "key:alice", behind: Owned | None = None, **more: bool | str) -> list[str]:
        found = owners.page("openai", "files", owner, behind=behind, most=3, **more)  # type: ignore[arg-type]
        return [one.id for one in found]

    assert page() == ["file-5", "file-4", "file-2"]
    (last,) = owners.find(["file-2"])
    assert page(behind=last) == ["file-1", "file-0"]
    assert page(behind=last, purpose="batch") == ["file-1"]
    assert page(behind=last, ascending=True) == ["file-4", "file-5"]
    assert page(None, ascending=True) == ["file-0", "file-1", "file-2"]


def test_each_line_of_a_batch_is_charged_once(owners: FileOwners) -> None:
    owners.add(FILE)
    found: list[int] = []
    for lines in (2, 2, 5, 3):
        owners.claim(FILE, lines, lambda _, booked: found.append(booked))
    assert found == [0, 2]
    with pytest.raises(ZeroDivisionError):
        owners.claim(FILE, 9, lambda _, booked: found.append(booked // 0))
    owners.claim(FILE, 9, lambda _, booked: found.append(booked))
    assert found == [0, 2, 5], "what could not be recorded is not charged"
    owners.claim(replace(FILE, id="file-gone"), 4, lambda _, booked: found.append(booked))
    assert len(found) == 3, "a deleted file has no owner"


def test_without_a_usage_store_lookups_are_refused() -> None:
    owners = FileOwners(None)
    with pytest.raises(Overloaded, match=r"usage\.store is none"):
        owners.find(["file-1"])


def test_older_databases_are_migrated() -> None:
    with closing(SqliteDatabase(None)) as database:
        with database.transaction() as transaction:
            _make_first_version(transaction)
        owners = FileOwners(database)
        owners.add(FILE)
        assert owners.find([FILE.id])


def _make_first_version(transaction: Transaction) -> None:
    transaction.run("CREATE TABLE schema_version (version BIGINT NOT NULL)")
    transaction.run("INSERT INTO schema_version (version) VALUES (1)")
    for statement in MIGRATIONS[0]:
        transaction.run(statement)


def test_objects_unused_for_a_long_time_are_deleted(database: Database) -> None:
    migrate(database)
    now = 500 * 86_400.0
    owners = FileOwners(database, lambda: now - 401 * 86_400)
    owners.add(FILE)
    with closing(Ledger(database, clock=lambda: now)):
        Cleanup(database, Retention(), lambda: now).run()
        assert owners.find([FILE.id]) == []


def test_only_one_thread_waits_for_a_postgresql_that_hangs() -> None:
    pytest.importorskip("psycopg")
    from nexus.accounting.postgres import PostgresDatabase

    with socket.create_server(("127.0.0.1", 0)) as server:
        database = PostgresDatabase(f"postgresql://nexus@127.0.0.1:{server.getsockname()[1]}/x", patience=0.05)

        def ask() -> None:
            with database.transaction():
                pass

        first = Job(ask)
        accepted, _ = server.accept()
        for _ in range(2):
            with pytest.raises(DatabaseError, match="does not answer"):
                ask()
        accepted.close()
    with pytest.raises(DatabaseError):
        first.result()


def test_threads_do_not_queue_behind_a_file_that_another_program_locks(tmp_path: Path) -> None:
    """Each of them would wait for SQLite's own timeout in turn."""
    file = tmp_path / "usage.sqlite3"
    database = SqliteDatabase(file, patience=0.05)
    migrate(database)
    waiting, goes_on = threading.Event(), threading.Event()

    def hold() -> None:
        with database.transaction():
            waiting.set()
            assert goes_on.wait(60)

    first = Job(hold)
    assert waiting.wait(60)
    with pytest.raises(DatabaseError, match="does not answer"), database.transaction(write=False):
        pass
    goes_on.set()
    first.result()
    with closing(database), database.transaction(write=False) as transaction:
        assert transaction.query("SELECT 1") == [(1,)]
