"""The client's socket, which detects that the client disconnected while it waits for an answer.

Loop thread only. Meanwhile, bytes of further requests are set aside, and the end of the client's bytes does not close
the stream, because a half-closed client still reads. To find out whether it does, bytes are sent ahead of the answer: a
client that is gone resets the connection.
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

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, SSLIOStream

log = logging.getLogger("nexus")

MOST_AHEAD = 64 * 1024
"""Maximum bytes of further requests kept while an answer is pending; if more come, the connection closes after the
answer."""

LOOK = 0.25
"""Seconds between checks of a half-closed client."""

LOOKS_PER_PROBE = 4

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
OPENING = len(b"HTTP/1.1 ")
"""Length of the beginning that all answers share, interim or not."""


class ClientStream(IOStream):
    """``last_read`` is a time of the loop's clock. ``room`` is how many more bytes are read before the stream closes;
    None means no limit. ``sent_of_head`` counts the bytes of ``INTERIM``, sent repeatedly, that went ahead of a head.
    ``mid_body``: more of a body is about to be read. ``rests``: the next read waits for a request, which has
    probably not arrived yet. ``is_unix``: the client is connected over a Unix socket.
    ``spoiled``: bytes of further requests were dropped, so that the connection cannot serve them.
    """

    # In slots, because Tornado's attributes use up the inline storage; a separate __dict__ takes 1.2 kB.
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
        "rests",
        "room",
        "sent_of_head",
        "spoiled",
    )

    def __init__(self, connection: socket.socket, **options: Any) -> None:
        super().__init__(connection, **options)
        self.is_unix = connection.family not in (socket.AF_INET, socket.AF_INET6)
        self.loop = asyncio.get_running_loop()
        self.last_read = self.loop.time()
        self.spoiled = False
        self.mid_body = False
        self.rests = False
        self.room: int | None = None
        self.sent_of_head = 0
        self._probe: Callable[[], bytes] | None = None
        self._ahead = bytearray()
        self._ended = False
        self._looks = 0
        self._timer: asyncio.TimerHandle | None = None

    def set_nodelay(self, value: bool) -> None:
        """Overrides Tornado's, which sets it with every answer: it is always on."""

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        count = super().read_from_fd(buf)
        if count:
            self._count(count)
        if self._probe is None:
            if self.room is not None and self.room < 0:
                return 0
            # Tornado also reads while no read is pending. The end is not reported then if bytes are still to be read.
            return None if count == 0 and not self.reading() and (self._read_buffer_size or self.mid_body) else count
        if count is None:
            return None
        if count == 0:
            return self._end(buf)
        self._set_aside(bytes(buf[:count]))
        return None

    def _try_inline_read(self) -> None:
        """Overrides Tornado's, which always tries the socket before it waits for it."""
        if self.rests and not self._read_buffer_size:
            self._check_closed()
            self._add_io_state(IOLoop.READ)
        else:
            super()._try_inline_read()

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
        """Handles the end of the client's bytes: gives Tornado one byte, because it does not poll the socket while its
        buffer holds any."""
        self._ended = True
        self._looks = 0
        self._timer = self.loop.call_later(0, self._look)
        buf[:1] = b"\n"
        return 1

    @property
    def is_greeting(self) -> bool:
        """Whether the client still has to complete what comes before a request."""
        return False

    @property
    def sent(self) -> int:
        """The bytes sent so far of what had to wait for the client."""
        return self._total_write_done_index

    @property
    def has_more(self) -> bool:
        """Whether unread bytes are buffered."""
        return self._read_buffer_size > 0

    def take(self, count: int) -> bytes:
        """Returns ``count`` bytes if that many are buffered, else b""."""
        return self._consume(count) if count <= self._read_buffer_size else b""

    def unread(self, early: bytes) -> None:
        """Puts bytes back at the front of the buffer."""
        self._read_buffer[:0] = early
        self._read_buffer_size += len(early)

    def owe(self, probe: Callable[[], bytes]) -> None:
        """Watches the client until ``settle``, once a request is complete. ``probe`` returns a byte to send early."""
        if self._probe is not None:
            return
        self._probe = probe
        self._set_aside(bytes(self._read_buffer))
        self._read_buffer.clear()
        self._read_buffer_size = 0

    def settle(self) -> None:
        """Ends the watch: the answer is written, or no longer wanted."""
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
        """Overrides Tornado's. If ``sent_of_head`` is set, ``data`` is a head of which that much was sent already."""
        sent, self.sent_of_head = self.sent_of_head % len(INTERIM), 0
        if sent > OPENING:
            data = INTERIM[sent:] + data
        elif sent:
            data = data[sent:]
        # Empty data means: resolve when all buffered bytes are written.
        if not data or (rest := self._send(data)):
            return super().write(rest if data else data)
        written: asyncio.Future[None] = self.loop.create_future()
        written.set_result(None)
        return written

    def push(self, data: bytes) -> bool:
        """Writes without a future; returns whether all of it was sent. Raises StreamClosedError."""
        if rest := self._send(data):
            super().write(rest)
        return not rest

    def _send(self, data: bytes | memoryview) -> memoryview:
        """Sends what the socket accepts at once; returns the rest."""
        self._check_closed()
        rest = memoryview(data)
        if self.writing():
            return rest
        try:
            return rest[self.write_to_fd(rest) :]
        except OSError:
            # Tornado's own write fails again and handles the error.
            return rest

    def _look(self) -> None:
        """Closes the stream if the client has reset the connection; else sends a probe now and then."""
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


NEEDS_TLS = "this port serves HTTPS: use https:// in the URL"
_IN_PLAIN = (
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nX-Nexus-Error: invalid_request\r\n"
    f"Content-Length: {len(NEEDS_TLS)}\r\nConnection: close\r\n\r\n{NEEDS_TLS}"
).encode()


class ClientTlsStream(ClientStream, SSLIOStream):
    """The same over TLS. Failed handshakes are logged; a client that speaks plain HTTP also gets an answer."""

    def close(self, exc_info: Any = False) -> None:
        error = exc_info if isinstance(exc_info, ssl.SSLError) else None
        if not self.closed() and error is not None and error.errno == ssl.SSL_ERROR_SSL and self._ssl_accepting:
            why = (error.reason or str(error)).lower().replace("_", " ")
            log.info("a TLS handshake failed", extra={"fields": {"caller": self._peer(), "why": why}})
            if error.reason == "HTTP_REQUEST":
                self._answer_in_plain()
        super().close(exc_info)

    @property
    def is_greeting(self) -> bool:
        return self._ssl_accepting

    def _peer(self) -> str:
        with suppress(OSError, IndexError):
            return str(self.socket.getpeername()[0])
        return ""

    def _try_inline_read(self) -> None:
        """Always checks for decrypted bytes, because they do not make the socket readable."""
        self.rests = False
        super()._try_inline_read()

    def _answer_in_plain(self) -> None:
        with suppress(OSError), socket.socket(fileno=os.dup(self.socket.fileno())) as plain:
            # Unread bytes would reset the connection, and the client would lose the answer.
            plain.recv(MOST_AHEAD)
            plain.send(_IN_PLAIN)
