"""The ledger on every database: each row is written exactly once, and callers never wait for it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from nexus.accounting import earlier
from nexus.accounting.books import Books
from nexus.accounting.calendar import Calendar
from nexus.accounting.database import Database, DatabaseError, NewerTables, Transaction, migrate
from nexus.accounting.ledger import BATCH, ROOM, Ledger
from nexus.accounting.record import Charge
from nexus.accounting.report import Sums, usage
from nexus.accounting.retention import Cleanup, Retention
from nexus.accounting.rows import Row
from nexus.accounting.spent import _SPENT, highest_spenders
from nexus.accounting.sqlite import SqliteDatabase
from nexus.accounting.tables import FORGET_BUDGETS, VERSION
from nexus.accounting.writing import Item
from nexus.settings.usage import MEMORY
from tests.accounting.rows import row
from tests.serving import wait_until

NOON = 1_790_000_000.0
"""A moment of the 21st of September 2026."""
DAY = "2026-09-21"


def call(number: int = 0, attempt: int = 1, **more: Any) -> Row:
    known = {"route": "openai/gpt-5", "model": "gpt-5"}
    return row(f"call-{number}", NOON, attempt=attempt, **{**known, **more})


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.transaction(write=False) as transaction:
        return transaction.query(statement)


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    ledger = Ledger(database, clock=lambda: NOON)
    yield ledger
    ledger.close(60)


def put(ledger: Ledger, *items: Item) -> None:
    """Adds each item as a separate call."""
    for item in items:
        ledger.add((item,))


def add(ledger: Ledger, *told: Row) -> None:
    put(ledger, *map(Item, told))
    assert ledger.flush(60)


def test_an_attempt_is_stored_unchanged(ledger: Ledger) -> None:
    told = call(
        stream=1, status=200, input_tokens=7, cost_nano=4_740_000, first_ms=12.5, stop="end_turn", tags='{"a":"b"}'
    )
    add(ledger, told)
    columns = "call_id, attempt, is_last, stream, status, input_tokens, cost_nano, first_ms, stop, tags"
    assert rows(ledger.database, f"SELECT {columns} FROM attempts") == [
        ("call-0", 1, 1, 1, 200, 7, 4_740_000, 12.5, "end_turn", '{"a":"b"}')
    ]


def test_days_sum_up_attempts(ledger: Ledger) -> None:
    add(
        ledger,
        call(1, 1, is_last=0, outcome="vendor_error", tokens_known="no"),
        call(1, 2, output_tokens=5, cost_nano=10),
    )
    add(
        ledger,
        call(2, 1, output_tokens=3, cost_nano=None),
        call(3, 0, outcome="refused", call_outcome="refused", route="", tokens_known="no"),
    )
    report = usage(ledger.database, by="day", since=NOON - 86_400 * 30, now=NOON)
    assert report.rows == (
        Sums(DAY, calls=3, attempts=3, failed=1, unknown_tokens=1, unknown_cost=2, output=8, cost=10),
    )
    fine = usage(ledger.database, by="model", since=NOON - 60, now=NOON)
    assert fine.total == Sums("total", 3, 3, 1, 1, 2, output=8, cost=10)


QUESTIONS = {
    "user": ["ann", "bob"],
    "group": ["web", ""],
    "key": ["laptop", "ci"],
    "model": ["smart", "gpt-5"],
    "route": ["anthropic/sonnet", "openai/gpt-5"],
    "provider": ["anthropic", "openai"],
    "session": ["s1", ""],
    "agent": ["", "a1"],
    "tag": ["project=web", ""],
    "tag:project": ["web", ""],
    "day": [DAY],
}
"""By what is asked: the rows of the answer."""


def test_a_clock_that_is_set_back_does_not_freeze_the_days() -> None:
    books = Books(MEMORY)
    with closing(books):
        calendar = Calendar(books)
        assert books.ledger is not None
        add(books.ledger, call(1))
        assert len(calendar.days(NOON + 3600, ()) or ()) == 1
        add(books.ledger, call(2, route="openai/gpt-4"))
        assert len(calendar.days(NOON, ()) or ()) == 2


def test_usage_is_reported_by_every_dimension(ledger: Ledger) -> None:
    ann: dict[str, Any] = {
        "caller": "ann",
        "group_name": "web",
        "key_name": "laptop",
        "model": "smart",
        "route": "anthropic/sonnet",
    }
    add(
        ledger,
        call(1, cost_nano=20, session="s1", tags='{"project":"web"}', **ann),
        call(2, cost_nano=10, caller="bob", key_name="ci", agent="a1"),
    )
    for by, names in QUESTIONS.items():
        report = usage(ledger.database, by=by, since=NOON - 60, now=NOON)
        assert ([row.name for row in report.rows], report.total.cost) == (names, 30), by
        mine = usage(ledger.database, by=by, since=NOON - 60, now=NOON, only=[("user", "ann")])
        assert mine.total.cost == 20, by
        of_session = usage(ledger.database, by=by, since=NOON - 60, now=NOON, only=[("session", "s1")])
        assert ([row.cost for row in of_session.rows], of_session.rows[0].name in names) == ([20], True), by


def test_charges_add_up_per_budget_period(ledger: Ledger) -> None:
    charge = Charge("team", "ann", "2026-09", 30)
    put(ledger, Item(call(1), (charge,)), Item(call(2), (charge,)))
    assert ledger.flush(60)
    assert rows(ledger.database, "SELECT budget, subject, period, spent_nano FROM budgets") == [
        ("team", "ann", "2026-09", 60)
    ]


def test_the_highest_spenders_of_thousands_of_budgets_are_found(ledger: Ledger) -> None:
    put(ledger, *(Item(call(number), (Charge(f"b{number}", "ann", "2026-11", number),)) for number in range(3)))
    assert ledger.flush(60)
    periods = {f"b{number}": "2026-11" if number != 2 else "2026-12" for number in range(3000)}
    assert highest_spenders(ledger.database, periods) == [("b1", "ann", 1), ("b0", "ann", 0)]


def test_earlier_activity_is_read_back(ledger: Ledger) -> None:
    minute, before = int(NOON) // 60 * 60, int(NOON - 3000) // 60 * 60
    add(
        ledger,
        call(1, 1, is_last=0, outcome="vendor_error", status=529, route="a/b", cost_nano=None),
        call(1, 2, output_tokens=5, cost_nano=10, at_seconds=NOON),
        call(2, 0, route="", outcome="refused", call_outcome="refused", at_seconds=before + 59.9, caller="ada"),
        call(3, at_seconds=NOON + 1),
    )
    found = earlier.points(ledger.database, "hour", NOON + 1)
    assert set(found) == {minute, before}
    assert (found[minute].outcomes, found[before].outcomes) == ({"ok": 1}, {"refused": 1})
    assert found[minute].routes == {"a/b": [1, 1, 0, 1, *[0] * 6], "openai/gpt-5": [1, 0, 10, 0, 0, 0, 0, 0, 5, 0]}
    first, second = earlier.calls(ledger.database, NOON + 1)
    assert (first["id"], first["tried"], first["cost"]) == ("call-1", "a/b=529, openai/gpt-5=ok", 10)
    assert (second["outcome"], second["tokens"]) == ("refused", [])
    assert [one["id"] for one in earlier.calls(ledger.database, NOON + 1, (("user", "ada"),))] == ["call-2"]


def test_old_rows_are_deleted_and_recent_ones_kept(ledger: Ledger) -> None:
    days_ago = [0, 1.5, 34, 36, 399, 401]
    add(ledger, *(call(number, at_seconds=NOON - 86_400 * days) for number, days in enumerate(days_ago)))
    Cleanup(ledger.database, Retention(), lambda: NOON).run()
    assert rows(ledger.database, "SELECT COUNT(*) FROM attempts") == [(3,)]
    assert rows(ledger.database, "SELECT COUNT(*) FROM days") == [(5,)]


def test_a_clock_far_in_the_future_deletes_nothing_for_a_day(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    now = NOON
    cleanup = Cleanup(ledger.database, Retention(), lambda: now)
    add(ledger, call(1), call(2, at_seconds=NOON - 86_400 * 2))
    cleanup.run()
    now = NOON + 86_400 * 1000
    cleanup.run()
    # A restart changes nothing, nor do calls with the wrong time.
    add(ledger, call(3, at_seconds=now))
    cleanup = Cleanup(ledger.database, Retention(), lambda: now)
    for _ in range(100):
        cleanup.run()
        now += 600
    assert rows(ledger.database, "SELECT COUNT(*) FROM attempts") == [(3,)]
    assert rows(ledger.database, "SELECT COUNT(*) FROM days") == [(3,)]
    assert caplog.text.count("is the system clock right?") == 2
    for _ in range(50):
        cleanup.run()
        now += 600
    assert rows(ledger.database, "SELECT call_id FROM attempts") == [("call-3",)]


@pytest.mark.parametrize("ahead", [2, 20, 34])
def test_a_clock_some_days_in_the_future_deletes_nothing_early(ledger: Ledger, ahead: int) -> None:
    add(ledger, *(call(days, at_seconds=NOON - 86_400 * days) for days in (0, 1, 16, 33, 36)))
    now = NOON + 86_400 * ahead
    cleanup = Cleanup(ledger.database, Retention(), lambda: now)
    for _ in range(100):
        cleanup.run()
        now += 600
    kept = rows(ledger.database, "SELECT call_id FROM attempts ORDER BY at_seconds DESC")
    assert kept == [("call-0",), ("call-1",), ("call-16",), ("call-33",)]
    assert rows(ledger.database, "SELECT COUNT(*) FROM days") == [(5,)]


def test_a_gateway_that_never_runs_for_a_day_deletes_old_rows(ledger: Ledger) -> None:
    for day in range(0, 60, 3):
        now = NOON + 86_400 * day
        add(ledger, call(day, at_seconds=now))
        Cleanup(ledger.database, Retention(), lambda now=now: now).run()  # type: ignore[misc]
    assert rows(ledger.database, "SELECT MIN(at_seconds) FROM attempts") == [(NOON + 86_400 * 21,)]


def test_a_clock_that_is_set_back_does_not_stop_the_deletions(ledger: Ledger) -> None:
    migrate(ledger.database)
    now = NOON + 86_400 * 1000
    cleanup = Cleanup(ledger.database, Retention(), lambda: now)
    cleanup.run()
    now = NOON
    add(ledger, call(1, at_seconds=NOON - 86_400 * 37), call(2, at_seconds=NOON - 86_400 * 2))
    cleanup.run()
    assert rows(ledger.database, "SELECT call_id FROM attempts") == [("call-2",)]


def test_tables_of_a_newer_nexus_are_rejected(database: Database) -> None:
    migrate(database)
    migrate(database)
    with database.transaction() as transaction:
        transaction.run("UPDATE schema_version SET version = ?", (VERSION + 1,))
    with pytest.raises(NewerTables, match="use a newer one"):
        migrate(database)
    database.close()


class Broken:
    """A database that fails until it is told to work, then forwards to a real one."""

    def __init__(self, behind: Database) -> None:
        self.alone, self.has_tables = behind.alone, behind.has_tables
        self._behind = behind
        self.works = threading.Event()
        self.works.set()
        self.failed = threading.Event()

    @contextmanager
    def _refuse(self) -> Iterator[Transaction]:
        self.failed.set()
        raise DatabaseError("disk full")
        yield

    def transaction(self, *, write: bool = True) -> AbstractContextManager[Transaction]:
        return self._behind.transaction(write=write) if self.works.is_set() else self._refuse()

    def check_file(self) -> None:
        self._behind.check_file()

    def close(self) -> None:
        self._behind.close()


def test_rows_that_fit_the_queue_survive_a_database_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus.accounting.ledger.PAUSE", (0.01, 0.01))
    broken = Broken(SqliteDatabase(None))
    ledger = Ledger(broken, clock=lambda: NOON)
    broken.works.clear()
    put(ledger, Item(call(1)))
    assert broken.failed.wait(60)
    broken.works.set()
    assert ledger.flush(60)
    assert rows(broken, "SELECT call_id FROM attempts") == [("call-1",)]
    assert ledger.lost == 0
    ledger.close(60)


class Forgetful(Broken):
    """Commits, then loses the reply of the commit."""

    def transaction(self, *, write: bool = True) -> AbstractContextManager[Transaction]:
        return self._commit_and_fail() if write and not self.works.is_set() else self._behind.transaction(write=write)

    @contextmanager
    def _commit_and_fail(self) -> Iterator[Transaction]:
        with self._behind.transaction() as transaction:
            yield transaction
        self.works.set()
        raise DatabaseError("server closed the connection unexpectedly")


def test_a_commit_whose_reply_is_lost_counts_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus.accounting.ledger.PAUSE", (0.01, 0.01))
    migrate(database)
    forgetful = Forgetful(database)
    ledger = Ledger(forgetful, clock=lambda: NOON)
    forgetful.works.clear()
    put(ledger, *(Item(call(number, cost_nano=5), (Charge("b", "ada", "2026-09", 5),)) for number in range(3)))
    assert ledger.flush(60) and forgetful.works.is_set()
    add(ledger, call(3, cost_nano=5))
    assert rows(forgetful, "SELECT COUNT(*), SUM(cost_nano) FROM attempts") == [(4, 20)]
    assert rows(forgetful, "SELECT SUM(calls), SUM(cost_nano) FROM days") == [(4, 20)]
    assert rows(forgetful, "SELECT SUM(spent_nano) FROM budgets") == [(15,)]
    ledger.close(60)


def test_a_row_that_the_database_rejects_does_not_block_others(ledger: Ledger) -> None:
    add(ledger, call(0))
    put(ledger, *(Item(call(number, input_tokens=2**70 if number == 7 else 1)) for number in range(1, 20)))
    assert ledger.flush(60)
    assert rows(ledger.database, "SELECT COUNT(*) FROM attempts") == [(19,)]
    assert ledger.lost == 1


def test_another_cause_of_a_failure_is_logged_too(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    for why in ("locked", "locked", "full"):
        ledger._log_failure(why)
    assert [record.fields["why"] for record in caplog.records] == ["locked", "full"]  # type: ignore[attr-defined]


def test_rows_dropped_from_a_full_queue_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    broken = Broken(SqliteDatabase(None))
    ledger = Ledger(broken, clock=lambda: NOON)
    broken.works.clear()
    put(ledger, Item(call(0)))
    assert broken.failed.wait(60)
    put(ledger, *(Item(call(number)) for number in range(1, ROOM + BATCH + 4)))
    assert ledger.lost >= 3
    assert "usage is lost" in caplog.text
    ledger.close(60)
    assert ledger.lost == ROOM + BATCH + 4


CHILD = """
import sys, time
from pathlib import Path
from nexus.accounting.sqlite import SqliteDatabase
from nexus.accounting.ledger import Ledger
from nexus.accounting.writing import Item
from nexus.settings.usage import MEMORY
from tests.accounting.rows import row
ledger = Ledger(SqliteDatabase(Path(sys.argv[1])))
for number in range(100):
    ledger.add((Item(row(str(number), time.time())),))
assert ledger.flush(60)
ledger.add((Item(row("late", time.time())),))
print("written", flush=True)
time.sleep(600)
"""


def test_a_killed_process_loses_only_unwritten_rows(tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite3"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(file)], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None and child.stdout.readline() == "written\n"
        os.kill(child.pid, signal.SIGKILL)
    database = SqliteDatabase(file)
    ledger = Ledger(database)
    assert rows(database, "SELECT COUNT(*) FROM attempts")[0][0] >= 100
    assert rows(database, "SELECT SUM(calls) FROM days")[0][0] == rows(database, "SELECT COUNT(*) FROM attempts")[0][0]
    ledger.close(60)


def test_two_processes_can_write_to_one_file(tmp_path: Path) -> None:
    ledgers = [Ledger(SqliteDatabase(tmp_path / "usage.sqlite3"), clock=lambda: NOON) for _ in range(2)]
    for number, ledger in enumerate(ledgers):
        put(ledger, *(Item(call(number * 1000 + index)) for index in range(1000)))
    assert all(ledger.flush(60) for ledger in ledgers)
    assert rows(ledgers[0].database, "SELECT SUM(calls) FROM days") == [(2000,)]
    for ledger in ledgers:
        ledger.close(60)


READER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
print(database.execute("SELECT COUNT(*) FROM attempts").fetchall())
database.close()
"""


def test_a_program_that_reads_the_file_does_not_cut_off_those_that_write_it(tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite3"
    ledger, reader = Ledger(SqliteDatabase(file), clock=lambda: NOON), SqliteDatabase(file)
    for number in (1, 2):
        put(ledger, Item(call(number)))
        assert ledger.flush(60)
        assert rows(reader, "SELECT COUNT(*) FROM attempts") == [(number,)]
        read = subprocess.run([sys.executable, "-c", READER, str(file)], capture_output=True, text=True, check=True)
        assert read.stdout == f"[({number},)]\n"
    ledger.close(60)
    reader.close()


@pytest.mark.parametrize("busy", [True, False], ids=["with calls", "idle"])
def test_a_removed_file_is_logged_and_recreated(
    busy: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("nexus.accounting.ledger.PAUSE", (0.01, 0.01))
    file = tmp_path / "usage.sqlite3"
    ledger = Ledger(SqliteDatabase(file), clock=lambda: NOON)
    add(ledger, call(1))
    for path in tmp_path.iterdir():
        path.rename(tmp_path / f"old-{path.name}")
    if busy:
        add(ledger, call(2))
    else:
        wait_until(lambda: "usage is recorded again" in caplog.text)
    reader = SqliteDatabase(file)
    assert rows(reader, "SELECT call_id FROM attempts") == ([("call-2",)] if busy else [])
    assert f"{file} was removed or replaced while it was open" in [
        record.__dict__["fields"]["why"] for record in caplog.records if record.levelname == "ERROR"
    ]
    assert ledger.lost == 0
    reader.close()
    ledger.close(60)
    with closing(SqliteDatabase(tmp_path / f"old-{file.name}")) as old:
        assert rows(old, "SELECT call_id FROM attempts") == [("call-1",)]


def test_a_damaged_file_is_reported_with_advice_to_move_it(tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite3"
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseError, match=r"file is not a database; move it away, and a running gateway starts"):
        migrate(SqliteDatabase(file))


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="file"):
        migrate(SqliteDatabase(tmp_path / "file" / "usage.sqlite3"))


@pytest.mark.parametrize(("statement", "values"), [(_SPENT, ("team", "2026-09")), (FORGET_BUDGETS, ("2026-09",))])
def test_the_periods_of_budgets_are_found_without_reading_all(statement: str, values: tuple[str, ...]) -> None:
    """A budget per user has a row for each user and day, for more than a year."""
    with closing(SqliteDatabase(None)) as database:
        migrate(database)
        with database.transaction(write=False) as transaction:
            plan = [str(line) for *_, line in transaction.query(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any("budgets_by_period (period" in line for line in plan), plan
