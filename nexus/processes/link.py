"""The worker's side: calls functions that the supervisor serves.

Use it on any thread except the loop's, because a call blocks for one round trip over a Unix socket, up to a timeout. A
call without an answer may still have been executed.
"""

from __future__ import annotations

import queue
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from nexus.errors import Overloaded
from nexus.processes.frames import PIECE, BadFrame, Frames, pack

SECONDS = 5.0
"""Timeout in seconds for a free connection, and for each piece of an answer."""

CONNECTIONS = 8
"""Concurrent calls of one worker process; further ones wait microseconds for a free connection."""


class Lost(Exception):
    """The supervisor did not answer."""


class CallFailed(Exception):
    """A call failed in the supervisor; its log says why."""


@contextmanager
def pairs(count: int) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Connections to fork with: pairs of the parent's end and the child's. In the parent the child's ends are closed at
    the end, on an exception the parent's too. They have no path that other programs could open."""
    with ExitStack() as theirs, ExitStack() as own:
        ends = []
        for _ in range(count):
            ends.append(socket.socketpair())
            own.enter_context(ends[-1][0])
            theirs.enter_context(ends[-1][1])
        yield ends
        own.pop_all()


class SupervisorLink:
    """A pool of connections, each used by one call at a time."""

    def __init__(self, sockets: Iterable[socket.socket], seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._free: queue.SimpleQueue[_Connection] = queue.SimpleQueue()
        for sock in sockets:
            self._free.put(_Connection(sock, seconds))

    def call(self, name: str, *arguments: object) -> Any:
        """Calls a function with plain values; returns its result. Raises Overloaded if it does, Lost and CallFailed."""
        connection = self._take()
        try:
            kind, value = connection.ask(name, arguments)
        finally:
            self._free.put(connection)
        match kind:
            case "done":
                return value
            case "overloaded":
                raise Overloaded(value[0], retry_after=value[1])
            case _:
                raise CallFailed(value)

    def _take(self) -> _Connection:
        try:
            return self._free.get(timeout=self._seconds)
        except queue.Empty as error:
            raise Lost from error

    def close(self) -> None:
        """Closes the connections that are not in use."""
        while not self._free.empty():
            self._free.get_nowait().close()


class _Connection:
    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self.socket = sock
        self._frames = Frames()
        self._unsent = b""
        """The rest of a frame whose call was given up: it goes first, so that what follows can be parsed."""
        self._number = 0
        sock.setblocking(True)
        # The system's timeouts, because Python's would cost an additional system call for every piece.
        limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def ask(self, name: str, arguments: tuple[object, ...]) -> tuple[str, Any]:
        """Sends a call; returns the kind and value of its answer. Raises Lost."""
        self._number += 1
        self._send(pack((self._number, name, arguments)))
        while True:
            for number, kind, value in self._receive():
                # Skip the answer to an earlier call that timed out.
                if number == self._number:
                    return kind, value

    def _send(self, frame: bytes) -> None:
        for data in (self._unsent, frame):
            left = memoryview(data)
            try:
                while left:
                    left = left[self.socket.send(left) :]
            except OSError as error:
                self._unsent = bytes(left) if data is self._unsent or len(left) < len(data) else b""
                raise Lost from error
        self._unsent = b""

    def _receive(self) -> list[tuple[int, str, Any]]:
        try:
            piece = self.socket.recv(PIECE)
        except OSError as error:
            raise Lost from error
        if not piece:
            raise Lost
        try:
            return self._frames.feed(piece)
        except BadFrame as error:
            self.close()
            raise Lost from error

    def close(self) -> None:
        self.socket.close()
