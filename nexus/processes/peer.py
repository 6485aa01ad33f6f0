"""One end of a stream of frames that never waits: what is not taken now is kept and sent when there is room."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from nexus.processes.frames import PIECE, BadFrame, Frames, pack
from nexus.processes.poller import Poller

MOST_WAITING = 2**28
"""Bytes that may wait for whoever does not read; then it is dropped."""


class Peer:
    """``received`` gets each value that comes, ``gone`` is called once when the other end is, or speaks nonsense."""

    def __init__(
        self,
        sock: socket.socket,
        poller: Poller,
        received: Callable[[Any], None],
        gone: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._poller = poller
        self._received = received
        self._gone = gone
        self._frames = Frames()
        self._waiting = bytearray()
        self._is_open = True
        poller.watch(sock, self._ready)

    def send(self, value: Any) -> None:
        """Nothing more is read meanwhile from whoever does not take it."""
        if not self._is_open:
            return
        frame = pack(value)
        if self._waiting:
            self._waiting += frame
        elif (sent := self._sent(frame)) < len(frame):
            self._waiting += frame[sent:]
            self._poller.want(self._sock, writing=True)
        if len(self._waiting) > MOST_WAITING:
            self._drop()

    def close(self) -> None:
        """Without a word to ``gone``."""
        if self._is_open:
            self._is_open = False
            self._poller.forget(self._sock)
            self._sock.close()

    def forget(self) -> None:
        """In a process that was forked: the connection is the other one's."""
        self._is_open = False
        self._sock.close()

    def _ready(self) -> None:
        if self._waiting:
            del self._waiting[: self._sent(self._waiting)]
            if not self._waiting and self._is_open:
                self._poller.want(self._sock, writing=False)
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
