"""A reader of the log that never reads blocks no caller; dropped lines are counted, and the count is logged."""

import errno
import fcntl
import http.client
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from nexus.telemetry.writer import LogWriter
from tests.leaks import LEAKS
from tests.peers import Job
from tests.threads import no_thread

ROOT = Path(__file__).parents[2]
PIPE = 4096
"""Bytes that a pipe of these tests holds."""

LINE = "x" * 99 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """Both ends of a pipe, the reading end first."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
    with open(reading) as reader, open(writing, "w") as writer:
        yield reader, writer


def told(count: int) -> str:
    return f"dropped {count}\n"


def test_lines_for_which_there_was_no_thread_are_written_with_the_next(
    pipe: tuple[TextIO, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, stream = pipe
    writer = LogWriter(stream, told)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        writer.put("one \ud800\n")
    writer.put("two\n")
    assert [reader.readline(), reader.readline()] == ["one \\ud800\n", "two\n"]


def test_callers_do_not_wait_for_a_reader_that_does_not_read(pipe: tuple[TextIO, TextIO]) -> None:
    reader, stream = pipe
    writer = LogWriter(stream, told, room=200 * len(LINE))
    for _ in range(1000):
        writer.put(LINE)
    assert not writer.flush(0.01)
    read = Job(reader.readlines)
    assert writer.flush(60)
    stream.close()
    lines = read.result()
    whole, last = lines.count(LINE), lines[-1]
    assert re.fullmatch(r"dropped \d+\n", last)
    assert whole + int(last.split()[1]) == 1000
    assert 0 < whole < 1000


def test_a_line_longer_than_the_room_is_written_where_nothing_waits() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream, told, room=10)
    writer.put(LINE)
    assert writer.flush(60)
    assert stream.getvalue() == LINE


def test_a_closed_stream_blocks_no_caller(pipe: tuple[TextIO, TextIO]) -> None:
    reader, stream = pipe
    reader.close()
    writer = LogWriter(stream, told)
    writer.put(LINE)
    assert writer.flush(60)


def test_lines_that_a_full_disk_rejects_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room, to_disk = [10], os.write
    with open(tmp_path / "log", "w") as stream:

        def write(descriptor: int, data: memoryview) -> int:
            if descriptor != stream.fileno():
                return to_disk(descriptor, data)
            if not room[0]:
                raise OSError(errno.ENOSPC, "no space left on device")
            room[0] -= (taken := to_disk(descriptor, data[: room[0]]))
            return taken

        monkeypatch.setattr(os, "write", write)
        writer = LogWriter(stream, told)
        for _ in range(3):
            writer.put(LINE)
            assert writer.flush(60)
        room[0] = 1000
        writer.put("last\n")
        assert writer.flush(60)
    assert (tmp_path / "log").read_text() == f"{LINE[:10]}\ndropped 3\nlast\n"


def test_lines_after_close_are_ignored() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream, told)
    writer.put("one\n")
    writer.close(60)
    writer.put("two\n")
    assert stream.getvalue() == "one\n"


SERVER = """
import sys
from nexus.__main__ import main
from nexus.telemetry.writer import LogWriter
LogWriter.flush.__defaults__ = LogWriter.close.__defaults__ = (0.2,)
sys.exit(main())
"""
"""The end waits only briefly for a reader of the last lines."""


@pytest.mark.slow
def test_a_server_whose_log_is_not_read_answers_and_stops(tmp_path: Path) -> None:
    """The log lines written here fill the pipe many times."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, "-l", "127.0.0.1:0", "--log", "trace"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    fcntl.fcntl(process.stderr.fileno(), fcntl.F_SETPIPE_SZ, PIPE)
    try:
        port = next(int(found[1]) for line in process.stderr if (found := re.search(r"health: http.*:(\d+)/", line)))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(100):
            connection.request("POST", "/llm/openai/v1/chat/completions", b"{", {"Content-Type": "application/json"})
            assert connection.getresponse().read()
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        LEAKS.check("console", "a log that nobody read", process.stderr.read())
        process.stderr.close()
