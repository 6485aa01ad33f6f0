"""Waits for sockets, and calls who is to be told: the whole loop of a process that must have no other.

Epoll where there is one, poll elsewhere, and nothing between them and the callbacks: a supervisor passes here for
every call that its workers make.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

_READ, _WRITE = 1, 4
"""POLLIN and POLLOUT, which epoll has by the same numbers."""


class Poller:
    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._poll = self._epoll if self._epoll is not None else select.poll()
        self._callbacks: dict[int, Callable[[], None]] = {}

    def watch(self, sock: socket.socket, callback: Callable[[], None]) -> None:
        """Calls when something can be read, or the other end is gone."""
        self._callbacks[sock.fileno()] = callback
        self._poll.register(sock.fileno(), _READ)

    def want(self, sock: socket.socket, *, writing: bool) -> None:
        """Calls from now on when something can be written, or read."""
        self._poll.modify(sock.fileno(), _WRITE if writing else _READ)

    def forget(self, sock: socket.socket) -> None:
        """Before it is closed."""
        del self._callbacks[sock.fileno()]
        self._poll.unregister(sock.fileno())

    def wait(self, seconds: float | None = None) -> None:
        """Until one callback at least was called, or the time is over."""
        if self._epoll is not None:
            ready = self._epoll.poll(-1 if seconds is None else seconds)
        else:
            ready = self._poll.poll(None if seconds is None else seconds * 1000)
        for descriptor, _ in ready:
            # One callback may have made another one's socket go.
            if (callback := self._callbacks.get(descriptor)) is not None:
                callback()

    def close(self) -> None:
        """What was watched is not touched; in a process that was forked this changes nothing for the other one."""
        if self._epoll is not None:
            self._epoll.close()
        self._callbacks.clear()
