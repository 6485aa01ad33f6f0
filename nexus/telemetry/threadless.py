"""Writes lines to a stream without threads and without blocking, for a process that must have no threads.

``put`` never blocks, and the queue is bounded: lines without room are dropped and counted, and the count is logged.
Writes only when the stream is writable, in pieces that then do not block (POSIX: PIPE_BUF).
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

from nexus.telemetry.writer import LAST_SECONDS, ONE_WRITE, ROOM


class ThreadlessWriter:
    def __init__(self, stream: TextIO, loss: Callable[[int], str], room: int = ROOM) -> None:
        self._descriptor = stream.fileno()
        self._loss = loss
        self._room = room
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._dropped = 0

    def put(self, line: str) -> None:
        raw = line.encode("utf-8", "backslashreplace")
        if self._waiting and self._waiting + len(raw) > self._room:
            self._dropped += 1
            return
        self._lines.append(raw)
        self._waiting += len(raw)
        self.write_some()

    def write_some(self) -> bool:
        """Writes as much as possible without waiting; returns whether something is left."""
        while self._lines and _is_writable(self._descriptor, 0):
            raw, works = self._lines.popleft(), True
            try:
                sent = os.write(self._descriptor, raw[:ONE_WRITE])
            except BlockingIOError:
                sent = 0
            except OSError:
                # The disk is full, or the reader is gone: drop the line.
                sent, works = len(raw), False
                self._dropped += 1
            self._waiting -= sent
            if sent < len(raw):
                self._lines.appendleft(raw[sent:])
            elif works and self._dropped and not self._lines:
                count, self._dropped = self._dropped, 0
                self.put(self._loss(count))
        return bool(self._lines)

    def flush(self, seconds: float = LAST_SECONDS) -> bool:
        """Waits up to ``seconds`` until all is written; returns whether it is."""
        deadline = time.monotonic() + seconds
        while self.write_some():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            _is_writable(self._descriptor, left)
        return True

    def close(self, seconds: float = LAST_SECONDS) -> None:
        self.flush(seconds)


def _is_writable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))
