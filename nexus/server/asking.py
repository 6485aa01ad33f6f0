"""A worker's loop asks the supervisor: only the coroutine that asked waits, and many may ask at the same time.

Law: the thread of the loop only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from nexus.processes.answers import Lost, value_of
from nexus.processes.peer import Peer


class Asking:
    """Over a connection of its own."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        """``seconds`` is how long an answer may take."""
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._asked: dict[int, asyncio.Future[tuple[str, Any]]] = {}
        self._number = 0
        self._is_gone = False
        self._peer = Peer(sock, _Watcher(self._loop), self._answered, self._gone, reads_meanwhile=True)

    async def call(self, name: str, *arguments: object) -> Any:
        """What the function of that name makes of plain values. Raises Overloaded as it does, Lost and Refused."""
        if self._is_gone:
            raise Lost
        self._number += 1
        number, answer = self._number, self._loop.create_future()
        self._asked[number] = answer
        late = self._loop.call_later(self._seconds, _is_late, answer)
        self._peer.send((number, name, arguments))
        try:
            return value_of(*await answer)
        finally:
            late.cancel()
            del self._asked[number]

    def close(self) -> None:
        self._peer.close()
        self._gone()

    def _answered(self, message: tuple[int, str, Any]) -> None:
        number, kind, value = message
        answer = self._asked.get(number)
        if answer is not None and not answer.done():
            answer.set_result((kind, value))

    def _gone(self) -> None:
        self._is_gone = True
        for answer in self._asked.values():
            _is_late(answer)


def _is_late(answer: asyncio.Future[tuple[str, Any]]) -> None:
    if not answer.done():
        answer.set_exception(Lost())


class _Watcher:
    """The loop, as one end of a connection sees it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Callable[[], object] = int

    def watch(self, sock: socket.socket, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop.add_reader(sock, callback)

    def want(self, sock: socket.socket, *, writing: bool) -> None:
        if writing:
            self._loop.add_writer(sock, self._callback)
        else:
            self._loop.remove_writer(sock)

    def forget(self, sock: socket.socket) -> None:
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)
