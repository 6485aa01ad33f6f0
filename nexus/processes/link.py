"""The worker's side: calls functions that the supervisor serves.

Use it on any thread except the loop's, because a call blocks for one round trip over a Unix socket, up to a timeout. A
call without an answer may still have been executed.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from nexus.processes.frames import PIECE, BadFrame, Frames, pack

SECONDS = 5.0
"""Timeout in seconds for earlier calls to end, and for each piece of an answer."""


class NoResult(Exception):
    """A call has no result: the supervisor did not answer, or the call failed there, and its log says why."""

    def __init__(self, why: str = "the supervisor did not answer") -> None:
        super().__init__(why)


@contextmanager
def pairs(count: int) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Connections to fork with: pairs of the parent's end and the child's. When the block ends, the parent closes the
    child's ends, and after an exception its own too. They have no path that other programs could open."""
    with ExitStack() as theirs, ExitStack() as own:
        ends = []
        for _ in range(count):
            ends.append(socket.socketpair())
            own.enter_context(ends[-1][0])
            theirs.enter_context(ends[-1][1])
        yield ends
        own.pop_all()


class SupervisorLink:
    """One connection, used by one call at a time: the supervisor serves one at a time, too."""

    def __init__(self, sock: socket.socket, seconds: float = SECONDS) -> None:
        self._socket = sock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._frames = Frames()
        self._unsent = b""
        """The rest of a frame whose call was given up: it goes first, so that what follows can be parsed."""
        self._number = 0
        sock.setblocking(True)
        # The system's timeouts, because Python's would cost an additional system call for every piece.
        limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def call(self, name: str, *arguments: object) -> Any:
        """Calls a function with plain values; returns its result. Raises NoResult."""
        if not self._lock.acquire(timeout=self._seconds):
            raise NoResult
        try:
            is_done, value = self._ask(name, arguments)
        finally:
            self._lock.release()
        if not is_done:
            raise NoResult(value)
        return value

    def _ask(self, name: str, arguments: tuple[object, ...]) -> tuple[bool, Any]:
        self._number += 1
        self._send(pack((self._number, name, arguments)))
        while True:
            for number, is_done, value in self._receive():
                # Skip the answer to an earlier call that timed out.
                if number == self._number:
                    return is_done, value

    def _send(self, frame: bytes) -> None:
        for data in (self._unsent, frame):
            left = memoryview(data)
            try:
                while left:
                    left = left[self._socket.send(left) :]
            except OSError as error:
                self._unsent = bytes(left) if data is self._unsent or len(left) < len(data) else b""
                raise NoResult from error
        self._unsent = b""

    def _receive(self) -> list[tuple[int, bool, Any]]:
        try:
            piece = self._socket.recv(PIECE)
        except OSError as error:
            raise NoResult from error
        if not piece:
            raise NoResult
        try:
            return self._frames.feed(piece)
        except BadFrame as error:
            self.close()
            raise NoResult from error

    def close(self) -> None:
        self._socket.close()
