"""The supervisor's side: serves functions to worker processes, one call after the other.

Law: one thread, which never waits: reading and writing go as far as the socket lets them. So calls need no lock, and
what a function does is one step for all processes.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nexus.errors import Overloaded
from nexus.processes.frames import BadFrame, Frames, pack
from nexus.processes.poller import Poller

log = logging.getLogger("nexus.processes")

Function = Callable[..., Any]
"""Takes and gives plain values (see ``frames``), quickly. May raise Overloaded."""

_PIECE = 256 * 1024


class Hub:
    """``poller`` is the caller's, who waits."""

    def __init__(self, functions: Mapping[str, Function], poller: Poller) -> None:
        self._functions = functions
        self._poller = poller
        self._peers: dict[socket.socket, _Peer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def add(self, sock: socket.socket) -> None:
        """Serves one connection until its other end is closed."""
        sock.setblocking(False)
        peer = self._peers[sock] = _Peer(sock)
        self._poller.watch(sock, partial(self._ready, peer))

    def forget(self) -> None:
        """In a process that was forked: the connections are the other one's."""
        for sock in self._peers:
            sock.close()
        self._peers.clear()

    def close(self) -> None:
        for peer in list(self._peers.values()):
            self._drop(peer)

    def _ready(self, peer: _Peer) -> None:
        try:
            if peer.waiting:
                peer.flush()
            else:
                for number, name, arguments in peer.receive():
                    kind, value = self._answer(name, arguments)
                    if number:
                        peer.send(pack((number, kind, value)))
        except (OSError, BadFrame):
            self._drop(peer)
            return
        # Nothing more is read from whoever does not take its answers.
        if peer.is_writing != bool(peer.waiting):
            peer.is_writing = bool(peer.waiting)
            self._poller.want(peer.sock, writing=peer.is_writing)

    def _answer(self, name: str, arguments: tuple[object, ...]) -> tuple[str, object]:
        try:
            return "done", self._functions[name](*arguments)
        except Overloaded as error:
            return "overloaded", (error.message, error.retry_after)
        except Exception as error:
            log.exception("a call of a worker failed", extra={"fields": {"name": name}})
            return "failed", type(error).__name__

    def _drop(self, peer: _Peer) -> None:
        del self._peers[peer.sock]
        self._poller.forget(peer.sock)
        peer.sock.close()


class _Peer:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_writing = False
        self.waiting = bytearray()
        self._frames = Frames()

    def receive(self) -> list[tuple[int, str, tuple[object, ...]]]:
        """Raises OSError, also where the other end is closed."""
        try:
            piece = self.sock.recv(_PIECE)
        except BlockingIOError:
            return []
        if not piece:
            raise ConnectionResetError
        return self._frames.feed(piece)

    def send(self, frame: bytes) -> None:
        if self.waiting:
            self.waiting += frame
            return
        try:
            sent = self.sock.send(frame)
        except BlockingIOError:
            sent = 0
        self.waiting += frame[sent:]

    def flush(self) -> None:
        try:
            sent = self.sock.send(self.waiting)
        except BlockingIOError:
            return
        del self.waiting[:sent]
