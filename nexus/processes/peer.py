"""The ends of a stream of messages that need no answer, between a worker and its supervisor."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nexus.processes.frames import PIECE, BadFrame, Frames, pack

MOST_WAITING = 2**28
"""Maximum bytes buffered for an end that does not read; above it, the connection is closed."""


class Peer:
    """The supervisor's end: never blocks; data that cannot be sent yet is buffered.

    ``received`` is called with each value; ``gone`` once, if the other end closes, stalls or sends invalid data. The
    owner of ``selector`` calls what is ready (``key.data``).
    """

    def __init__(
        self,
        sock: socket.socket,
        selector: selectors.BaseSelector,
        received: Callable[[Any], None],
        gone: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._selector = selector
        self._received = received
        self._gone = gone
        self._frames = Frames()
        self._waiting = bytearray()
        self._is_open = True
        selector.register(sock, selectors.EVENT_READ, self._ready)

    def send(self, value: Any) -> None:
        """Sends or buffers a value. While any is buffered, nothing is read from the other end."""
        if not self._is_open:
            return
        frame = pack(value)
        if self._waiting:
            self._waiting += frame
        elif (sent := self._sent(frame)) < len(frame):
            self._waiting += frame[sent:]
            self._selector.modify(self._sock, selectors.EVENT_WRITE, self._ready)
        if len(self._waiting) > MOST_WAITING:
            self._drop()

    def close(self) -> None:
        """Closes the connection without calling ``gone``."""
        if self._is_open:
            self._is_open = False
            self._selector.unregister(self._sock)
            self._sock.close()

    def forget(self) -> None:
        """Closes a forked process's copy; the connection stays open in the parent."""
        self._is_open = False
        self._sock.close()

    def _ready(self) -> None:
        if not self._is_open:
            return  # closed by what was ready before it
        if self._waiting:
            del self._waiting[: self._sent(self._waiting)]
            if not self._waiting and self._is_open:
                self._selector.modify(self._sock, selectors.EVENT_READ, self._ready)
            return
        try:
            piece = self._sock.recv(PIECE)
            values = self._frames.feed(piece)
        except BlockingIOError:
            return
        except (OSError, BadFrame):
            piece, values = b"", []
        for value in values:
            self._received(value)
        if not piece:
            self._drop()

    def _sent(self, data: bytes | bytearray) -> int:
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._drop()
            return len(data)

    def _drop(self) -> None:
        if self._is_open:
            self.close()
            self._gone()


class Control:
    """The worker's end. Any thread; blocks only to complete a partially sent frame. A message is dropped if the socket
    buffer is full, which means that the supervisor hangs or has ended.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self.sock = sock
        self._lock = threading.Lock()

    def tell(self, value: Any) -> None:
        frame = pack(value)
        with self._lock, suppress(OSError):
            sent = self.sock.send(frame, socket.MSG_DONTWAIT)
            if sent < len(frame):
                # A partial frame would corrupt all that follows, so the rest is sent even if that blocks.
                self.sock.sendall(frame[sent:])
