"""The supervisor's side: serves functions to worker processes, one call at a time.

Law: one thread, which never blocks. So calls need no lock, and each is atomic for all processes.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nexus.processes.peer import Peer

log = logging.getLogger("nexus.processes")

Function = Callable[..., Any]
"""Takes and returns plain values (see ``frames``), and must be fast."""


class Hub:
    """``selector`` watches the connections, as that of a ``Peer``."""

    def __init__(self, functions: Mapping[str, Function], selector: selectors.BaseSelector) -> None:
        self._functions = functions
        self._selector = selector
        self._peers: dict[socket.socket, Peer] = {}

    def add(self, sock: socket.socket) -> None:
        """Serves one connection until its other end is closed."""
        self._peers[sock] = Peer(sock, self._selector, partial(self._called, sock), partial(self._gone, sock))

    def forget(self) -> None:
        """Closes a forked process's copies of the connections."""
        for peer in self._peers.values():
            peer.forget()
        self._peers.clear()

    def close(self) -> None:
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()

    def _gone(self, sock: socket.socket) -> None:
        del self._peers[sock]

    def _called(self, sock: socket.socket, call: tuple[int, str, tuple[object, ...]]) -> None:
        number, name, arguments = call
        answer = self._answer(name, arguments)
        if (peer := self._peers.get(sock)) is not None:
            peer.send((number, *answer))

    def _answer(self, name: str, arguments: tuple[object, ...]) -> tuple[bool, object]:
        try:
            return True, self._functions[name](*arguments)
        except Exception as error:
            log.exception("a call of a worker failed", extra={"fields": {"name": name}})
            return False, type(error).__name__
