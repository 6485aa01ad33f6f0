"""The client's socket, which stays watched while an answer is owed, whatever the client sends meanwhile.

Loop thread only. While an answer is owed, bytes that come early are set aside and the end of the client's bytes
closes nothing: a client that half-closed still reads. Whether it does is found out by writing ahead of the answer, for
only then its machine tells.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tornado.iostream import IOStream, SSLIOStream

log = logging.getLogger("nexus")

MOST_AHEAD = 64 * 1024
"""Bytes of further requests that are kept while an answer is owed; who sends more is not served on."""

LOOK = 0.25
"""Seconds between two looks at a client that has half-closed."""

LOOKS_PER_PROBE = 4

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
OPENING = len(b"HTTP/1.1 ")
"""What every answer begins with, interim or not."""


class ClientStream(IOStream):
    """``last_read`` is a moment of the loop's clock. ``room`` is how much more is read before the stream is closed,
    None without a bound. ``sent_of_head`` counts the bytes of ``INTERIM``, over and over, that went ahead of a head.
    ``mid_body`` says that somebody is about to read on, ``is_unix`` that the client is on this machine.
    """

    # Tornado's fill what an object holds without a table of its own, which takes 1.2 kB.
    __slots__ = (
        "_ahead",
        "_ended",
        "_looks",
        "_probe",
        "_timer",
        "is_unix",
        "last_read",
        "loop",
        "mid_body",
        "room",
        "sent_of_head",
        "spoiled",
    )

    def __init__(self, connection: socket.socket, **options: Any) -> None:
        super().__init__(connection, **options)
        self.is_unix = connection.family not in (socket.AF_INET, socket.AF_INET6)
        if not self.is_unix:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.loop = asyncio.get_running_loop()
        self.last_read = self.loop.time()
        self.spoiled = False
        self.mid_body = False
        self.room: int | None = None
        self.sent_of_head = 0
        self._probe: Callable[[], bytes] | None = None
        self._ahead = bytearray()
        self._ended = False
        self._looks = 0
        self._timer: asyncio.TimerHandle | None = None

    def set_nodelay(self, value: bool) -> None:
        """Of Tornado's, which asks for it with every answer: it is on for good."""

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        count = super().read_from_fd(buf)
        if count:
            self._count(count)
        if self._probe is None:
            if self.room is not None and self.room < 0:
                return 0
            # Tornado looks between two reads too; what is still to be read decides whether this is the end.
            return None if count == 0 and not self.reading() and (self._read_buffer_size or self.mid_body) else count
        if count is None:
            return None
        if count == 0:
            return self._end(buf)
        self._set_aside(bytes(buf[:count]))
        return None

    def _count(self, count: int) -> None:
        self.last_read = self.loop.time()
        if self.room is not None:
            self.room -= count

    def _set_aside(self, early: bytes) -> None:
        self._ahead += early
        if len(self._ahead) > MOST_AHEAD:
            self._ahead.clear()
            self.spoiled = True

    def _end(self, buf: bytearray | memoryview) -> int:
        """A byte for Tornado, which asks the socket no more as long as its buffer holds one."""
        self._ended = True
        self._looks = 0
        self._timer = self.loop.call_later(0, self._look)
        buf[:1] = b"\n"
        return 1

    @property
    def has_more(self) -> bool:
        """Whether bytes wait that nobody has asked for yet."""
        return self._read_buffer_size > 0

    def take(self, count: int) -> bytes:
        """So many bytes, where all of them are there already; else none."""
        return self._consume(count) if count <= self._read_buffer_size else b""

    def unread(self, early: bytes) -> None:
        """Puts bytes back, to be read first."""
        self._read_buffer[:0] = early
        self._read_buffer_size += len(early)

    def owe(self, probe: Callable[[], bytes]) -> None:
        """A request is whole: its client is watched until ``settle``. ``probe`` gives a byte that goes out anyway."""
        if self._probe is not None:
            return
        self._probe = probe
        self._set_aside(bytes(self._read_buffer))
        self._read_buffer.clear()
        self._read_buffer_size = 0

    def settle(self) -> None:
        """Its answer is written, or nobody wants it."""
        self._probe = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ended:
            self._ended = False
            self._read_buffer.clear()
            self._read_buffer_size = 0
        self.unread(bytes(self._ahead))
        self._ahead.clear()

    def write(self, data: bytes | memoryview) -> asyncio.Future[None]:
        """The first write after ``sent_of_head`` was set is a head, of which that much went out."""
        sent, self.sent_of_head = self.sent_of_head % len(INTERIM), 0
        if sent > OPENING:
            data = INTERIM[sent:] + data
        elif sent:
            data = data[sent:]
        # Without data it is asked when all that waits is out.
        if not data or (rest := self._send(data)):
            return super().write(rest if data else data)
        written: asyncio.Future[None] = self.loop.create_future()
        written.set_result(None)
        return written

    def push(self, data: bytes) -> bool:
        """As ``write``, without a future; whether all of it is out. Raises StreamClosedError."""
        if rest := self._send(data):
            super().write(rest)
        return not rest

    def _send(self, data: bytes | memoryview) -> memoryview:
        """What the socket takes at once; what is left."""
        self._check_closed()
        rest = memoryview(data)
        if self.writing():
            return rest
        try:
            return rest[self.write_to_fd(rest) :]
        except OSError:
            # It goes wrong again behind this, where it is dealt with.
            return rest

    def _look(self) -> None:
        """Closes the stream once the client's machine has said that nobody reads."""
        if self.closed() or self._probe is None:
            return
        if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.close()
            return
        if self._looks % LOOKS_PER_PROBE == 0 and not self.writing() and (ahead := self._probe()):
            self.write(ahead)
        self._looks += 1
        if not self.closed():
            self._timer = self.loop.call_later(LOOK, self._look)


NEEDS_TLS = "this port speaks HTTPS: call it by https://"
_IN_PLAIN = (
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nX-Nexus-Error: invalid_request\r\n"
    f"Content-Length: {len(NEEDS_TLS)}\r\nConnection: close\r\n\r\n{NEEDS_TLS}"
).encode()


class ClientTlsStream(ClientStream, SSLIOStream):
    """The same behind TLS. A handshake that fails is told in the log, to a client of plain HTTP as an answer too."""

    def close(self, exc_info: Any = False) -> None:
        error = exc_info if isinstance(exc_info, ssl.SSLError) else None
        if not self.closed() and error is not None and error.errno == ssl.SSL_ERROR_SSL and self._ssl_accepting:
            why = (error.reason or str(error)).lower().replace("_", " ")
            log.info("a TLS handshake failed", extra={"fields": {"caller": self._peer(), "why": why}})
            if error.reason == "HTTP_REQUEST":
                self._answer_in_plain()
        super().close(exc_info)

    def _peer(self) -> str:
        with suppress(OSError, IndexError):
            return str(self.socket.getpeername()[0])
        return ""

    def _answer_in_plain(self) -> None:
        with suppress(OSError), socket.socket(fileno=os.dup(self.socket.fileno())) as plain:
            # What stays unread would reset the connection, and the answer with it.
            plain.recv(MOST_AHEAD)
            plain.send(_IN_PLAIN)
