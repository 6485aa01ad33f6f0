"""The usage ledger of a running Nexus: one process or several, killed, reloaded, and without a writable folder."""

import json
import os
import signal
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nexus.accounting.database import migrate
from nexus.accounting.sqlite import SqliteDatabase
from nexus.accounting.tables import VERSION
from nexus.cli import main as cli
from tests.server.fleet import Fleet, fleet
from tests.server.test_process import CHAT_PATH, Process, Start, finish, start
from tests.serving import CHAT, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.faults.processes import is_alive

__all__ = ["fleet", "start"]

pytestmark = pytest.mark.slow

FILE = "state/usage.sqlite3"
STORE = f'[usage]\nstore = "sqlite:///{FILE}"\n'
ECHO = '[llm.providers.e]\ntype = "echo"\n[llm.providers.e.models.m]\n'
ASK = {**CHAT, "model": "e/m"}


def count(file: Path, what: str = "COUNT(*)") -> Any:
    with closing(sqlite3.connect(file, timeout=60)) as connection:
        return connection.execute(f"SELECT {what} FROM attempts").fetchone()[0]


def call(process: Process) -> None:
    response = process.post(CHAT_PATH, ASK)
    assert response.status == 200
    finish(response)


def test_a_killed_gateway_keeps_rows_older_than_a_second(start: Start, tmp_path: Path) -> None:
    process = start(STORE + ECHO)
    for _ in range(5):
        call(process)
    file = tmp_path / FILE
    wait_until(lambda: count(file) == 5)
    process.signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert count(file) == 5
    # The next process continues.
    second = start(None)
    call(second)
    second.signal(signal.SIGTERM)
    assert second.wait() == 0
    assert count(file) == 6


def test_a_stopped_gateway_has_written_everything_readable_only_by_its_user(start: Start, tmp_path: Path) -> None:
    process = start(STORE + ECHO)
    call(process)
    file = tmp_path / FILE
    assert [stat.S_IMODE(part.stat().st_mode) for part in file.parent.glob("usage*")] == [0o600] * 3
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert count(file) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


Run = Callable[..., Fleet]


@pytest.mark.parametrize(
    ("workers", "signals"),
    [(1, (signal.SIGTERM, signal.SIGTERM)), (2, (signal.SIGTERM, signal.SIGTERM)), (2, (signal.SIGKILL,))],
    ids=["a second signal", "a second signal to a supervisor", "a killed supervisor"],
)
def test_calls_are_recorded_that_end_with_the_process_and_no_worker_outlives_it(
    fleet: Run, tmp_path: Path, openai_upstream: FakeUpstream, workers: int, signals: tuple[signal.Signals, ...]
) -> None:
    """If a supervisor is killed, its workers record their calls."""
    nexus = fleet(STORE + openai_config(openai_upstream.base_url), workers)
    wait_until(lambda: nexus.said("OpenAI SDK"))
    pids = nexus.await_workers() if workers > 1 else []
    openai_upstream.default = Behaviour(event_delay=30, only_before=2)
    stream = nexus.post(CHAT_PATH, {**CHAT, "stream": True})
    for number in signals:
        os.kill(nexus.pid, number)
        if number == signal.SIGTERM:
            wait_until(lambda: nexus.said("stopping"))
    rest = finish(stream)
    assert b"the gateway is stopping" in rest and b"[DONE]" not in rest
    wait_until(lambda: not any(map(is_alive, pids)))
    told = "MAX(outcome || ' ' || call_outcome || ' ' || tokens_known || ' ' || status)"
    wait_until(lambda: count(tmp_path / FILE, told) == "drained drained no 200")
    assert nexus.wait() == (128 + signal.SIGTERM if len(signals) == 2 else -signal.SIGKILL)


def test_all_workers_write_one_file_and_a_killed_one_loses_no_old_rows(fleet: Run, tmp_path: Path) -> None:
    nexus = fleet(STORE + ECHO, 2)
    pids = nexus.await_workers()
    for _ in range(10):
        assert nexus.send(CHAT_PATH, ASK)[0] == 200
    file = tmp_path / FILE
    wait_until(lambda: count(file) == 10)
    os.kill(pids[0], signal.SIGKILL)
    nexus.await_workers()
    for _ in range(10):
        assert nexus.send(CHAT_PATH, ASK)[0] == 200
    wait_until(lambda: count(file) == 20)
    report = json.loads(nexus.get("/usage/v1/report?by=route"))
    assert [(row["route"], row["calls"]) for row in report["rows"]] == [("e/m", 20)]


def test_workers_share_a_ledger_in_memory(fleet: Run) -> None:
    nexus = fleet('[usage]\nstore = "memory"\n' + ECHO, 2)
    nexus.await_workers()
    for _ in range(10):
        assert nexus.send(CHAT_PATH, ASK)[0] == 200
    wait_until(lambda: json.loads(nexus.get("/usage/v1/report"))["total"]["calls"] == 10)
    for _ in range(8):
        assert json.loads(nexus.get("/usage/v1/report"))["total"]["calls"] == 10


def test_without_a_writable_state_folder_memory_is_used_and_reported_once(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    process = start(ECHO)
    call(process)
    assert process.output.count("usage is kept in memory only") == 1


def newer(file: Path) -> None:
    database = SqliteDatabase(file)
    migrate(database)
    with database.transaction() as transaction:
        transaction.run("UPDATE schema_version SET version = ?", (VERSION + 1,))
    database.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_of_a_newer_nexus_is_rejected(
    start: Start, tmp_path: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    newer(tmp_path / FILE)
    process = start(f"[server]\nworkers = {workers}\n{STORE}{ECHO}")
    assert process.wait() == 1
    words = f"nexus.toml:4: usage.store: {tmp_path / FILE} was written by a newer Nexus"
    assert words.removeprefix("nexus.toml") in process.output
    assert cli.main(["check", "-c", str(tmp_path / "nexus.toml")]) == 1
    assert words in capsys.readouterr().err
    assert cli.main(["usage", "-c", str(tmp_path / "nexus.toml")]) == 1
    assert "use a newer one" in capsys.readouterr().err


def test_a_database_without_tables_has_no_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).touch()
    (tmp_path / "nexus.toml").write_text(STORE + ECHO)
    assert cli.main(["usage", "-c", str(tmp_path / "nexus.toml")]) == 1
    assert "it has no tables" in capsys.readouterr().err


def test_an_impossible_store_is_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nexus.toml").write_text(f'[usage]\nstore = "sqlite:///nexus.toml/usage"\n{ECHO}')
    assert cli.main(["check", "-c", str(tmp_path / "nexus.toml")]) == 1
    assert "nexus.toml:2: usage.store: " in capsys.readouterr().err


def test_changing_the_store_needs_a_restart_and_other_settings_do_not(start: Start, tmp_path: Path) -> None:
    tagged = {"x-nexus-tags": "project=web"}
    process = start(STORE + ECHO)
    finish(process.post(CHAT_PATH, ASK, tagged))
    (tmp_path / "nexus.toml").write_text(f'[usage]\nstore = "memory"\ntags = ["project"]\n{ECHO}')
    process.signal(signal.SIGHUP)
    wait_until(lambda: process.said("usage.store has changed, which takes effect after a restart"))
    finish(process.post(CHAT_PATH, ASK, tagged))
    file = tmp_path / FILE
    wait_until(lambda: count(file) == 2)
    assert count(file, "GROUP_CONCAT(tags, ' ')") == '{} {"project":"web"}'


def test_the_demo_writes_no_files(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    process = start(None)
    response = process.post(CHAT_PATH, {**CHAT, "model": "demo/echo"})
    assert response.status == 200
    finish(response)
    assert list((tmp_path / "state").rglob("usage*")) == []


def test_two_configurations_have_two_files(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openai_upstream: FakeUpstream
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        config = tmp_path / folder / "nexus.toml"
        config.write_text(ECHO + openai_config(openai_upstream.base_url))
        call(start(None, "-c", str(config)))
    assert len(list((tmp_path / "state/nexus").glob("usage-*.sqlite3"))) == 2
