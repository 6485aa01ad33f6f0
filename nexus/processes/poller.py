"""A minimal event loop over sockets, for the supervisor, which must have no other.

Uses epoll if available, else poll, and calls callbacks directly, because every call of a worker passes through here.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

_READ, _WRITE = 1, 4
"""POLLIN and POLLOUT; epoll uses the same numbers."""


class Poller:
    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._poll = self._epoll if self._epoll is not None else select.poll()
        self._callbacks: dict[int, Callable[[], None]] = {}

    def watch(self, sock: socket.socket, callback: Callable[[], None]) -> None:
        """Calls ``callback`` when the socket is readable or the other end has closed."""
        self._callbacks[sock.fileno()] = callback
        self._poll.register(sock.fileno(), _READ)

    def want(self, sock: socket.socket, *, writing: bool) -> None:
        """Watches the socket for writing, or for reading, from now on."""
        self._poll.modify(sock.fileno(), _WRITE if writing else _READ)

    def forget(self, sock: socket.socket) -> None:
        """Stops watching the socket; call it before closing the socket."""
        del self._callbacks[sock.fileno()]
        self._poll.unregister(sock.fileno())

    def wait(self, seconds: float | None = None) -> None:
        """Waits until at least one callback was called, or up to ``seconds``."""
        if self._epoll is not None:
            ready = self._epoll.poll(-1 if seconds is None else seconds)
        else:
            ready = self._poll.poll(None if seconds is None else seconds * 1000)
        for descriptor, _ in ready:
            # An earlier callback may have removed this socket.
            if (callback := self._callbacks.get(descriptor)) is not None:
                callback()

    def close(self) -> None:
        """Closes the poller, but not the sockets. In a forked process, this does not affect the parent."""
        if self._epoll is not None:
            self._epoll.close()
        self._callbacks.clear()
