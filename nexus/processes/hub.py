"""The supervisor's side: serves functions to worker processes, one call after the other.

Law: one thread, which never waits: reading and writing go as far as the socket lets them. So calls need no lock, and
what a function does is one step for all processes.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nexus.errors import Overloaded
from nexus.processes.frames import BadFrame, Frames, pack

log = logging.getLogger("nexus.processes")

Function = Callable[..., Any]
"""Takes and gives plain values (see ``frames``), quickly. May raise Overloaded."""

_PIECE = 256 * 1024


class Hub:
    """``selector`` is the caller's, whose loop calls the data of every key that is ready."""

    def __init__(self, functions: Mapping[str, Function], selector: selectors.BaseSelector) -> None:
        self._functions = functions
        self._selector = selector
        self._peers: dict[socket.socket, _Peer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def add(self, sock: socket.socket) -> None:
        """Serves one connection until its other end is closed."""
        sock.setblocking(False)
        peer = self._peers[sock] = _Peer(sock)
        self._selector.register(sock, selectors.EVENT_READ, partial(self._ready, peer))

    def forget(self) -> None:
        """In a process that was forked: the connections are the other one's, and so is the selector."""
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
                    peer.send(pack((number, *self._answer(name, arguments))))
        except (OSError, BadFrame):
            self._drop(peer)
            return
        self._watch(peer)

    def _watch(self, peer: _Peer) -> None:
        """Nothing more is read from whoever does not take its answers."""
        wanted = selectors.EVENT_WRITE if peer.waiting else selectors.EVENT_READ
        if peer.watched != wanted:
            peer.watched = wanted
            self._selector.modify(peer.sock, wanted, partial(self._ready, peer))

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
        self._selector.unregister(peer.sock)
        peer.sock.close()


class _Peer:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.watched = selectors.EVENT_READ
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
        return list(self._frames.feed(piece))

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
