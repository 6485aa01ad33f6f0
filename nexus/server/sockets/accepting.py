"""Accepts connections: balanced among several processes, and paused when file descriptors or memory run out.

Connections that cannot be accepted wait in the system's queue; this is logged once, not for every retry. The system
wakes every listening process and gives the connection to the quickest, often the same one. So a process with more
connections than another one leaves the socket alone briefly, and each accepts one connection at a time.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from nexus.server.sockets.shares import Share

log = logging.getLogger("nexus.server")

PAUSE = 0.25
"""Seconds until accepting is retried."""

QUIET = 60.0
"""Seconds after a log line during which further pauses are not logged."""

AT_ONCE = 128
"""Maximum connections accepted before the loop does something else."""

YIELD = 0.005
"""Seconds for which a process with more connections than another one leaves the socket to it."""

TIMES = 20
"""Maximum times in a row that it does so; by then the others are too busy, so this process accepts what is pending."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class PausingServer(HTTPServer):
    """An HTTP server that pauses accepting while descriptors are short or other processes have fewer connections."""

    share: Share | None = None
    """This process's connection count, if several processes accept together."""

    closed = 0
    """Connections closed since this was last reset to 0."""

    _logged_at: float | None = None

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        for sock in sockets:
            self._sockets[sock.fileno()] = sock
            self._handlers[sock.fileno()] = _Acceptor(sock, self._accepted, self._log, self.share).stop
        self._count()

    def stop(self) -> None:
        super().stop()
        if self.share is not None:
            self.share.write(None)

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        self.closed += 1
        self._count()

    def _accepted(self, connection: socket.socket, address: Any) -> None:
        self._handle_connection(connection, address)
        self._count()

    def _count(self) -> None:
        if self.share is not None and not self._stopped:
            self.share.write(len(self._connections))

    def _log(self, error: OSError) -> None:
        now = time.monotonic()
        if self._logged_at is not None and now - self._logged_at < QUIET:
            return
        self._logged_at = now
        fields = {"why": errno.errorcode.get(error.errno or 0, str(error)), "connections": len(self._connections)}
        log.warning(
            "no file descriptor is free: accepting pauses; raise the limit (ulimit -n)", extra={"fields": fields}
        )


class _Acceptor:
    """One listening socket on the loop."""

    def __init__(
        self,
        sock: socket.socket,
        accepted: Callable[[socket.socket, Any], None],
        log: Callable[[OSError], None],
        share: Share | None,
    ) -> None:
        self._sock = sock
        self._accepted = accepted
        self._log = log
        self._share = share
        self._left_alone = 0
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
        if self._share is None:
            self._accept(AT_ONCE)
        elif not self._share.is_ahead:
            self._left_alone = 0
            self._accept(1)
        elif self._left_alone < TIMES:
            self._left_alone += 1
            self._pause(YIELD, self._watch_again)
        else:
            self._left_alone = 0
            self._accept(AT_ONCE)

    def _watch_again(self) -> None:
        if not _is_readable(self._sock):
            self._left_alone = 0
        self._watch()

    def _accept(self, most: int) -> None:
        for _ in range(most):
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
                self._log(error)
                self._pause(PAUSE, self._watch)
                return
            self._accepted(connection, address)

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        # A readable socket would wake the loop again and again.
        self._loop.remove_handler(self._sock)
        self._timer = self._loop.call_later(seconds, then)


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
