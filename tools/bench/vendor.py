"""A vendor with little overhead: one thread, epoll, prepared answers. Linux only.

A model named ``stream-CHUNKS-MS`` streams that many deltas, that many milliseconds apart; any other model answers at
once, with a single delta if streamed. Each delta has ``@`` and the monotonic time of sending in microseconds (16
digits), then ``:`` and its number (5 digits), so that the client can tell its age and whether one was lost.

    python -m tools.bench.vendor PORT
"""

from __future__ import annotations

import heapq
import re
import select
import socket
import sys
import time
from contextlib import suppress

from tools.bench.answers import ANSWERS, LAST_CHUNK, Answers, chunk, dialect_of, head

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PACE = re.compile(rb"stream-(\d+)-(\d+)")
_STREAM = re.compile(rb'"stream": *true')
_READ = 1024 * 1024
_STAMP = "@0000000000000000:00000 "


class _Kind:
    """The prepared bytes of one dialect; ``before`` and ``behind`` surround the stamp of a delta."""

    def __init__(self, dialect: str, answers: Answers) -> None:
        self.whole = head(dialect, stream=False) + answers.whole
        self.opening = head(dialect, stream=True) + (chunk(answers.opening) if answers.opening else b"")
        self.before, self.behind = chunk(answers.delta(_STAMP)).split(_STAMP.encode())
        self.closing = chunk(answers.closing) + LAST_CHUNK
        # A binary frame ends with a checksum of its content, so its stamp cannot change.
        self.delta = chunk(answers.delta(_STAMP)) if "eventstream" in answers.content_type else None


_KINDS = {dialect: _Kind(dialect, answers) for dialect, answers in ANSWERS.items()}


class _Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = bytearray()
        self.needed = 0
        self.unsent = b""
        self.kind = _KINDS["chat"]
        self.sent = 0
        self.chunks = 0
        self.pause = 0.0
        self.due = 0.0
        self.closed = False


class Vendor:
    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._connections: dict[int, _Connection] = {}
        self._due: list[tuple[float, int, _Connection]] = []

    def run(self) -> None:
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1
            for number, events in self._epoll.poll(wait):
                if number == self._listener.fileno():
                    self._accept()
                elif (connection := self._connections.get(number)) is not None:
                    if events & select.EPOLLOUT:
                        self._send(connection, b"")
                    if events & ~select.EPOLLOUT:
                        self._read(connection)
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                connection = heapq.heappop(self._due)[2]
                if not connection.closed:
                    self._stream(connection)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections[sock.fileno()] = _Connection(sock)
                self._epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    def _close(self, connection: _Connection) -> None:
        if not connection.closed:
            connection.closed = True
            del self._connections[connection.sock.fileno()]
            connection.sock.close()

    def _read(self, connection: _Connection) -> None:
        try:
            piece = connection.sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._close(connection)
            return
        received = connection.received
        received += piece
        if not connection.needed:
            end = received.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(received, 0, end)
            connection.needed = end + 4 + (int(length[1]) if length else 0)
        if len(received) >= connection.needed:
            request = bytes(received[: connection.needed])
            del received[: connection.needed]
            connection.needed = 0
            self._answer(connection, request)

    def _answer(self, connection: _Connection, request: bytes) -> None:
        path = request[: request.index(b"\r\n")]
        dialect = dialect_of(path)
        if dialect is None:
            self._send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            return
        kind = _KINDS[dialect]
        if b"stream" not in path.lower() and not _STREAM.search(request):
            self._send(connection, kind.whole)
            return
        pace = _PACE.search(request)
        connection.kind, connection.sent = kind, 0
        connection.chunks, connection.pause = (int(pace[1]), int(pace[2]) / 1000) if pace else (1, 0.0)
        connection.due = time.monotonic()
        self._stream(connection)

    def _stream(self, connection: _Connection) -> None:
        kind = connection.kind
        if connection.sent >= connection.chunks:
            self._send(connection, kind.closing)
            return
        stamp = b"@%016d:%05d " % (time.monotonic_ns() // 1000, connection.sent)
        delta = kind.delta or kind.before + stamp + kind.behind
        self._send(connection, delta if connection.sent else kind.opening + delta)
        connection.sent += 1
        connection.due += connection.pause
        heapq.heappush(self._due, (connection.due, id(connection), connection))

    def _send(self, connection: _Connection, data: bytes) -> None:
        """Sends what the socket takes; the rest waits in ``unsent``."""
        waited = bool(connection.unsent)
        data = connection.unsent + data
        try:
            sent = connection.sock.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return
        connection.unsent = data[sent:]
        if waited is not bool(connection.unsent):
            more = select.EPOLLOUT if connection.unsent else 0
            self._epoll.modify(connection.sock.fileno(), select.EPOLLIN | select.EPOLLRDHUP | more)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        Vendor(int(sys.argv[1])).run()
