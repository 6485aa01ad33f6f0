"""Log lines written without a thread: whole, in order, bounded and without blocking."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from nexus.telemetry.threadless import ThreadlessWriter
from nexus.telemetry.writer import ONE_WRITE, _pieces


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    reads, writes = os.pipe()
    fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, ONE_WRITE)
    with os.fdopen(writes, "w") as stream:
        yield reads, stream
    os.close(reads)


def told(count: int) -> str:
    return f"{count} lines were dropped\n"


def test_lines_wait_for_a_full_pipe_and_keep_their_order(pipe: tuple[int, TextIO]) -> None:
    reads, stream = pipe
    writer = ThreadlessWriter(stream, told)
    lines = [f"{number} {'x' * 1000}\n" for number in range(40)] + ["y" * 3 * ONE_WRITE + "\n", "last\n"]
    for line in lines:
        writer.put(line)
    assert not writer.flush(0.01)
    read = b""
    while not read.endswith(b"last\n"):
        read += os.read(reads, 65536)
        writer.write_some()
    assert read.decode() == "".join(lines)


def test_dropped_lines_are_counted(pipe: tuple[int, TextIO]) -> None:
    reads, stream = pipe
    writer = ThreadlessWriter(stream, told, room=2 * ONE_WRITE)
    for _ in range(100):
        writer.put("x" * 999 + "\n")
    read = b""
    while not read.endswith(b"dropped\n"):
        read += os.read(reads, 65536)
        writer.write_some()
    kept, dropped = read.count(b"x\n"), int(read.split()[-4])
    assert kept + dropped == 100
    assert kept < 20
    writer.put("y" * 999 + "\n")
    assert os.read(reads, 1000).endswith(b"y\n"), "there is room again"


def test_a_closed_reader_causes_no_error(pipe: tuple[int, TextIO]) -> None:
    reads, stream = pipe
    writer = ThreadlessWriter(stream, told)
    os.dup2(os.open(os.devnull, os.O_RDONLY), reads)
    for _ in range(10):
        writer.put("x\n")
    assert writer.flush()


def test_lines_of_several_processes_are_not_mixed() -> None:
    """One write stays together if it is no longer than what a pipe writes atomically."""
    words = "\u00e4" * 100
    lines = [f"{words} {number}\n" for number in range(100)]
    pieces = list(_pieces(lines))
    assert "".join(pieces) == "".join(lines)
    assert all(len(piece.encode()) <= ONE_WRITE and piece.endswith("\n") for piece in pieces)
    assert list(_pieces(["z" * 2 * ONE_WRITE, "a", "b"])) == ["z" * 2 * ONE_WRITE, "ab"]


def test_lines_that_a_full_disk_rejects_are_counted(tmp_path: Path) -> None:
    with open("/dev/full", "w") as stream, open(tmp_path / "log", "w") as file:
        writer = ThreadlessWriter(stream, told)
        writer.put("one\n")
        writer.put("two\n")
        os.dup2(file.fileno(), stream.fileno())
        writer.put("three\n")
    assert (tmp_path / "log").read_text() == "three\n2 lines were dropped\n"
