"""Accepts connections, and pauses where the system has nothing left to accept them with.

Law: a connection that cannot be accepted waits in the system's queue; it costs one log line, not one for each try.
"""

from __future__ import annotations

import errno
import logging
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

log = logging.getLogger("nexus.server")

PAUSE = 0.25
"""Seconds until it is tried again."""

QUIET = 60.0
"""Seconds in which the log line stands for all further pauses."""

AT_ONCE = 128
"""Connections that are accepted before the loop does something else."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class PausingServer(HTTPServer):
    """An HTTP server whose listening sockets rest while descriptors are short."""

    _told_at: float | None = None

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        for sock in sockets:
            self._sockets[sock.fileno()] = sock
            self._handlers[sock.fileno()] = _Acceptor(sock, self._handle_connection, self._tell).stop

    def _tell(self, error: OSError) -> None:
        now = time.monotonic()
        if self._told_at is not None and now - self._told_at < QUIET:
            return
        self._told_at = now
        fields = {"why": errno.errorcode.get(error.errno or 0, str(error)), "connections": len(self._connections)}
        log.warning(
            "accepting pauses until descriptors are free; raise their limit (ulimit -n)", extra={"fields": fields}
        )


class _Acceptor:
    """One listening socket on the loop."""

    def __init__(
        self, sock: socket.socket, accepted: Callable[[socket.socket, Any], None], tell: Callable[[OSError], None]
    ) -> None:
        self._sock = sock
        self._accepted = accepted
        self._tell = tell
        self._loop = IOLoop.current()
        self._timer: object | None = None
        self._stopped = False
        self._watch()

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._loop.remove_timeout(self._timer)
        else:
            self._loop.remove_handler(self._sock)

    def _watch(self) -> None:
        self._timer = None
        self._loop.add_handler(self._sock, self._ready, IOLoop.READ)

    def _ready(self, sock: object, events: int) -> None:
        for _ in range(AT_ONCE):
            if self._stopped:
                return
            try:
                connection, address = self._sock.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # gone before it was accepted
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                self._pause(error)
                return
            self._accepted(connection, address)

    def _pause(self, error: OSError) -> None:
        self._tell(error)
        # Ready sockets would wake the loop again and again.
        self._loop.remove_handler(self._sock)
        self._timer = self._loop.call_later(PAUSE, self._watch)
