"""A worker process's side: calls functions that the supervisor serves.

Any thread but the loop's, for a call waits for its answer: one round trip over a Unix socket, of bounded time. One
that got no answer may have been carried out.
"""

from __future__ import annotations

import queue
import socket
import struct
from collections.abc import Iterable
from typing import Any

from nexus.errors import Overloaded
from nexus.processes.frames import PIECE, BadFrame, Frames, pack

SECONDS = 5.0
"""For which a call waits: for a free connection, then for each piece of its answer."""

CONNECTIONS = 8
"""Calls of one worker process that are under way at the same time; further ones wait for those, for microseconds."""

_NOT_ANSWERED = 0
"""The number of a call whose answer nobody waits for."""

Ends = tuple[socket.socket, socket.socket]


class Lost(Exception):
    """The supervisor did not answer."""


class Refused(Exception):
    """The supervisor could not carry out a call; its log says why."""


def connected(count: int = CONNECTIONS) -> list[Ends]:
    """Connections for one worker: the supervisor's end and the worker's. They have no name that others could open."""
    return [socket.socketpair() for _ in range(count)]


class Link:
    """A few connections, each of them used by one call at a time."""

    def __init__(self, sockets: Iterable[socket.socket], seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._free: queue.SimpleQueue[_Connection] = queue.SimpleQueue()
        for sock in sockets:
            self._free.put(_Connection(sock, seconds))

    def tell(self, name: str, *arguments: object) -> None:
        """The same for a function without a result, and without waiting for it. Raises Lost."""
        connection = self._take()
        try:
            connection.tell(name, arguments)
        finally:
            self._free.put(connection)

    def call(self, name: str, *arguments: object) -> Any:
        """What the function of that name makes of plain values. Raises Overloaded as it does, Lost and Refused."""
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
                raise Refused(value)

    def _take(self) -> _Connection:
        try:
            return self._free.get(timeout=self._seconds)
        except queue.Empty as error:
            raise Lost from error

    def close(self) -> None:
        """Of whatever is not under way."""
        while not self._free.empty():
            self._free.get_nowait().close()


class _Connection:
    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self.socket = sock
        self._frames = Frames()
        self._number = 0
        sock.setblocking(True)
        # The system's own clocks: Python's would ask it twice for every piece.
        limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def tell(self, name: str, arguments: tuple[object, ...]) -> None:
        """Raises Lost."""
        self._send(pack((_NOT_ANSWERED, name, arguments)))

    def ask(self, name: str, arguments: tuple[object, ...]) -> tuple[str, Any]:
        """Raises Lost."""
        self._number += 1
        self._send(pack((self._number, name, arguments)))
        while True:
            for number, kind, value in self._receive():
                # An answer to an earlier call, which nobody waited for any more, is passed over.
                if number == self._number:
                    return kind, value

    def _send(self, frame: bytes) -> None:
        try:
            self.socket.sendall(frame)
        except OSError as error:
            # Half a frame may be out: nothing that follows could be understood.
            self.close()
            raise Lost from error

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
