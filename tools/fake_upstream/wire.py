"""One accepted socket, whose reads, writes and waits detect a disconnect of the peer immediately.

Nothing here blocks without watching the socket. Only the connection's own thread closes it; other threads may only
``interrupt``. A disconnect always raises ``PeerGone``.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Callable

READ_SIZE = 65536
# Seconds between checks of an Event, because poll() cannot wait for an Event and a socket together.
HOLD_SLICE = 0.005


class PeerGone(Exception):
    """The peer closed (``reset`` False) or reset the connection."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset by peer" if reset else "closed by peer")
        self.reset = reset


class Wire:
    """``blocked_since`` is the time when the peer stopped reading, or None while it reads."""

    def __init__(
        self, sock: socket.socket, number: int, *, on_sent: Callable[[int], None], on_blocked: Callable[[], None]
    ) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.buffer = bytearray()
        self.blocked_since: float | None = None
        self._sock = sock
        self._on_sent = on_sent
        self._on_blocked = on_blocked
        self._closing = threading.Lock()
        self._closed = False
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def fill(self) -> None:
        """Reads at least one byte into ``buffer``."""
        before = len(self.buffer)
        while len(self.buffer) == before:
            self._poll.poll()
            self._absorb()

    def pause(self, seconds: float | None) -> None:
        """Waits; None waits until the peer disconnects."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return
            # poll takes whole milliseconds; rounding down would busy-wait through the last one.
            if self._poll.poll(None if left is None else int(left * 1000) + 1):
                self._absorb()

    def hold(self, event: threading.Event) -> None:
        while not event.is_set():
            self.pause(HOLD_SLICE)

    def send(self, data: bytes) -> None:
        """Passes all of ``data`` to the kernel."""
        left = memoryview(data)
        self._poll.modify(self._sock, select.POLLIN | select.POLLOUT)
        try:
            while left:
                left = left[self._send_some(left) :]
        finally:
            self.blocked_since = None
            self._poll.modify(self._sock, select.POLLIN)

    def close(self) -> None:
        with self._closing:
            if not self._closed:
                self._closed = True
                self._sock.close()

    def reset(self) -> None:
        """Closes with RST instead of FIN."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def interrupt(self) -> None:
        """For other threads: ends the pending read, write or wait as if the peer had disconnected."""
        with self._closing:
            if not self._closed:
                try:
                    self._sock.shutdown(socket.SHUT_RDWR)
                except OSError:  # the peer has already disconnected: the kernel tells the waiting thread
                    return

    def _send_some(self, data: memoryview) -> int:
        ready = self._poll.poll(0)
        while not ready or not ready[0][1] & select.POLLOUT:
            if ready:
                self._absorb()
            elif self.blocked_since is None:
                self.blocked_since = time.monotonic()
                self._on_blocked()
            ready = self._poll.poll()
        self.blocked_since = None
        if ready[0][1] & ~select.POLLOUT:
            self._absorb()
        try:
            count = self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise PeerGone(reset=True) from error
        self._on_sent(count)
        return count

    def _absorb(self) -> None:
        """Reads what has arrived, because only reading ahead detects the end of the stream."""
        try:
            data = self._sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerGone(reset=True) from error
        if not data:
            raise PeerGone(reset=False)
        self.buffer += data
