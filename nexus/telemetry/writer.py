"""Writes lines to a stream from its own thread, so that a slow reader blocks no one.

``put`` never blocks, and the queue is bounded: lines without room are dropped and counted, and so are lines that the
stream rejects, as a full disk does. The count is logged.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TextIO

from nexus.daemon import start_daemon
from nexus.errors import Overloaded

ROOM = 4 * 2**20
"""Maximum characters in the queue; about ten thousand lines."""

ONE_WRITE = 4096
"""Bytes that a pipe accepts atomically: longer writes of several processes would interleave."""

LINGER = 0.02
"""Seconds that lines wait for others, to be written together."""

MANY = ROOM // 64
"""Queued characters from which on lines are written at once."""

LAST_SECONDS = 2.0
"""Seconds that an ending process waits for its last lines to be written."""


class LogWriter:
    """Thread-safe; its thread starts with the first line. ``loss`` makes the line that reports dropped lines."""

    def __init__(self, stream: TextIO, loss: Callable[[int], str], room: int = ROOM) -> None:
        self._write = _writing_to(stream)
        self._loss = loss
        self._room = room
        self._changed = threading.Condition()
        self._lines: deque[str] = deque()
        self._waiting = 0
        self._dropped = self._rejected = 0
        self._writing = False
        self._urgent = False
        self._closed = False
        self._runs = False

    def put(self, line: str) -> None:
        """Queues a line, or counts it as dropped. A line longer than the queue is accepted if the queue is empty."""
        with self._changed:
            if self._closed:
                return
            if self._waiting and self._waiting + len(line) > self._room:
                self._dropped += 1
                return
            self._lines.append(line)
            self._waiting += len(line)
            if not self._runs:
                # Without a thread the lines wait; the next one tries again.
                with suppress(Overloaded):
                    start_daemon("log", self._run)
                    self._runs = True
            if len(self._lines) == 1 or self._waiting > MANY:
                self._changed.notify_all()

    def flush(self, seconds: float = LAST_SECONDS) -> bool:
        """Waits up to ``seconds`` until all is written; returns whether it is."""
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not (self._lines or self._dropped or self._writing), seconds)

    def close(self, seconds: float = LAST_SECONDS) -> None:
        """Flushes; further lines are ignored."""
        self.flush(seconds)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while (waiting := self._next()) is not None:
            if self._rejected and self._takes(self._loss(self._rejected)):
                self._rejected = 0
            for text in _pieces(waiting):
                self._rejected += 0 if self._takes(text) else text.count("\n")

    def _takes(self, text: str) -> bool:
        """Writes; returns False if the stream fails, because that can be reported only once it works."""
        try:
            self._write(text)
        except (OSError, ValueError):
            return False
        return True

    def _next(self) -> list[str] | None:
        """All queued lines, followed by the report of dropped ones; None at the end."""
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._lines or self._dropped or self._closed)
            self._changed.wait_for(lambda: self._urgent or self._closed or self._waiting > MANY, LINGER)
            self._urgent = False
            if not self._lines and not self._dropped:
                return None
            lines = [*self._lines]
            if self._dropped:
                lines.append(self._loss(self._dropped))
            self._lines.clear()
            self._waiting = self._dropped = 0
            self._writing = True
            return lines


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    """Joins whole lines, as many as fit into one write."""
    piece: list[str] = []
    size = 0
    for line in lines:
        length = len(line) if line.isascii() else len(line.encode("utf-8", "backslashreplace"))
        if piece and size + length > ONE_WRITE:
            yield "".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += length
    if piece:
        yield "".join(piece)


def _writing_to(stream: TextIO) -> Callable[[str], None]:
    """Bypasses the stream's buffer if there is a descriptor: a stuck thread would hold the buffer's lock."""
    try:
        return _Descriptor(stream.fileno()).write
    except (OSError, ValueError, AttributeError):
        return partial(_write_to_buffer, stream)


def _write_to_buffer(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


class _Descriptor:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._torn = ""
        """A line break if a line was not written to its end."""

    def write(self, text: str) -> None:
        rest = memoryview((self._torn + text).encode("utf-8", "backslashreplace"))
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [], 1.0)
            except OSError:
                # A full disk takes a part of a line: the next one begins on a line of its own.
                self._torn = "\n"
                raise
        self._torn = ""
