"""Rereading the configuration in a separate process, on a machine without resources for one."""

import errno
import os
import selectors
import socket
import subprocess
import time
from pathlib import Path
from typing import NoReturn

import pytest

from nexus.server.process.rereading import Rereading
from nexus.server.process.source import Accepted, Source
from nexus.server.process.supervisor import Supervisor, Workforce
from nexus.server.sockets.listeners import Listeners
from nexus.server.sockets.service import Notifier


def refused() -> int:
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def never(*_: object) -> NoReturn:
    raise AssertionError("nothing was forked")


@pytest.mark.parametrize(("lacking", "what"), [(os, "fork"), (socket, "socketpair")], ids=["fork", "socketpair"])
def test_it_keeps_serving_if_no_process_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, lacking: object, what: str
) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text('[llm.providers.demo]\ntype = "echo"\n[llm.providers.demo.models.echo]\n')
    source = Source(file)
    rereading, heard = Rereading(source, source.read()), list[Accepted | None]()
    rereading.request()
    assert rereading.is_due()
    monkeypatch.setattr(lacking, what, refused)
    rereading.begin(selectors.PollSelector(), never, heard.append)
    assert heard == [None]
    assert "no process could be started to read the configuration" in caplog.text
    assert not rereading.is_due(), "it is not retried immediately"
    rereading.request()
    assert rereading.is_due()


def test_a_reading_process_that_hangs_even_when_killed_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A hanging file system keeps a process alive that was killed; here, the signal is not sent."""
    connect, ends = socket.socketpair, list[tuple[socket.socket, socket.socket]]()

    def connected() -> tuple[socket.socket, socket.socket]:
        ends.append(connect())
        return ends[-1]

    def forked() -> int:
        reading.append(subprocess.Popen(["sleep", "600"], pass_fds=[ends[-1][1].fileno()]))
        return reading[-1].pid

    rereading, heard = Rereading(Source(None), Source(None).read()), list[Accepted | None]()
    selector = selectors.PollSelector()
    reading: list[subprocess.Popen[bytes]] = []
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socketpair", connected)
        patch.setattr(os, "fork", forked)
        patch.setattr("nexus.server.process.rereading.PATIENCE", 0.0)
        rereading.begin(selector, never, heard.append)
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda *_: None)
        for _ in range(2):
            rereading.kill_overdue()
            assert not rereading.is_due()
    assert rereading.next_at > time.monotonic(), "the supervisor would not pause"
    rereading.stop()
    reading[0].wait(60)
    while not heard:
        for key, _ in selector.select(60):
            key.data()
    assert heard == [None]
    late = "the configuration could not be read in time; keeping the previous one"
    assert [record.getMessage() for record in caplog.records] == [late]


def test_a_supervisor_without_descriptors_for_a_worker_retries_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rereading = Rereading(Source(None), Source(None).read())
    supervisor = Supervisor(Workforce(1, never, lambda: None), Listeners([]), rereading, Notifier())
    monkeypatch.setattr(socket, "socketpair", refused)
    supervisor._start_due()
    assert "no worker could be started" in caplog.text
    (slot,) = supervisor._slots
    assert slot.pid is None and slot.due is not None and slot.due > 0
