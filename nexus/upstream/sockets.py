"""Pools of HTTP connections, each bound to the call that uses it, and one exchange on one of them.

Only ``transport`` uses this module, the only one that relies on urllib3's internals. urllib3 pools connections,
connects, tunnels and wraps sockets in TLS; this module writes requests and reads the heads of answers.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import SSL_KEYWORDS
from urllib3.util.connection import is_connection_dropped

from nexus.upstream.binding import Binding, BoundResponse, current, holder
from nexus.upstream.dial import dial, dial_unix
from nexus.upstream.request import UNIX
from nexus.upstream.resolver import NameLookupFailed


class BoundConnection(HTTPConnection):
    """What connections of every scheme share."""

    response_class = BoundResponse
    binding: Binding | None = None
    once = False
    """Whether one side closes the connection after this exchange; Nexus closes it without waiting for the other side.
    """

    kept_since: float | None = None
    """Monotonic time at which it returned to the pool; None if it has served no exchange yet."""

    def _new_conn(self) -> socket.socket:
        with _as_urllib3_errors(self):
            return dial(self._dns_host.strip("[]"), self.port, holder())

    def exchange(self, method: str, pieces: Iterable[bytes]) -> BoundResponse:
        """Sends a request, head first, and reads the head of its answer; connects first if necessary."""
        self.binding = binding = holder()
        binding.reused = self.sock is not None and self.kept_since is not None
        self.kept_since = None
        if self.sock is None:
            self.connect()
        sock = self.sock
        assert sock is not None
        binding.hold(sock)
        binding.phase = "send"
        # An answer that the other side sent before it closed can still be read.
        with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            for piece in pieces:
                _send(sock, piece, binding.first_byte)
        binding.sent()
        response = BoundResponse(sock, method=method)
        try:
            response.begin()
        except BaseException:
            response.close()
            raise
        self.once = self.once or response.will_close
        return response

    def close(self) -> None:
        self.kept_since = None
        super().close()

    def release(self) -> None:
        if self.binding is not None:
            self.once = self.once or self.binding.spoiled
            self.binding.release()
            self.binding = None


def _send(sock: socket.socket, piece: bytes, seconds: float) -> None:
    """Sends a piece; one that does not fit into the socket's buffer may take ``seconds``."""
    sent = 0
    if type(sock) is socket.socket:
        # Most fit, and then setting a timeout twice and waiting for room would be three more system calls.
        with suppress(BlockingIOError):
            sent = sock.send(piece, socket.MSG_DONTWAIT)
    if sent < len(piece):
        sock.settimeout(seconds)
        sock.sendall(memoryview(piece)[sent:])


@contextmanager
def _as_urllib3_errors(connection: HTTPConnection) -> Iterator[None]:
    """Raises connect failures as urllib3's exceptions, so that its pools and proxies treat them as such."""
    try:
        yield
    except NameLookupFailed as error:
        raise NameResolutionError(connection.host, connection, error) from error  # type: ignore[arg-type]
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, "no connection in time") from error
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error


class BoundHTTPSConnection(BoundConnection, HTTPSConnection):
    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock, binding = super()._new_conn(), holder()
        # Wrapping for TLS takes the descriptor out of ``sock``; a duplicate stays valid during the handshake.
        self._handle = socket.socket(fileno=os.dup(sock.fileno()))
        binding.hold(self._handle)
        binding.phase = "tls" if self._tunnel_host is None else "proxy"
        try:
            sock.settimeout(binding.clock.allowed())
        except TimeoutError:
            # Connecting used up the timeout.
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            handle, self._handle = self._handle, None
            if handle is not None:
                holder().hold(None)
                handle.close()


class _UnixConnection(BoundConnection):
    """Its host is the percent-encoded path of a Unix socket."""

    def _new_conn(self) -> socket.socket:
        with _as_urllib3_errors(self):
            return dial_unix(unquote(self.host), holder())


class BoundPool(HTTPConnectionPool):
    """Pools connections for at most ``keep_alive`` seconds each; opens a new one rather than wait."""

    keep_alive: float = 50.0

    def exchange(
        self, method: str, pieces: Iterable[bytes], *, tunnels: bool, once: bool
    ) -> tuple[BoundResponse, BoundConnection]:
        """Sends a request; returns the answer with its head read, and its connection, to be returned with
        ``take_back``.

        ``tunnels``: through the pool's proxy, if any. ``once``: the request asks the other side to close the
        connection.
        """
        connection: BoundConnection = self._get_conn()
        try:
            connection.once = once
            if tunnels and self.proxy is not None and connection.is_closed:
                self._prepare_proxy(connection)
            return connection.exchange(method, pieces), connection
        except BaseException:
            connection.close()
            self._put_conn(None)
            raise

    def take_back(self, connection: BoundConnection) -> None:
        """Returns the connection of a finished exchange to the pool, or its slot if it was closed."""
        self._put_conn(connection)

    def _get_conn(self, timeout: float | None = None) -> Any:
        # A fresh connection takes a slot of the pool too; otherwise it would have no slot to return to.
        conn = super()._get_conn(timeout)
        if isinstance(conn, BoundConnection) and (current.fresh or self._is_stale(conn, time.monotonic())):
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        """Unbinds the connection from its call before the next call can take it."""
        if isinstance(conn, BoundConnection):
            conn.release()
            if conn.once:
                conn.close()
            elif conn.sock is not None:
                conn.kept_since = time.monotonic()
        super()._put_conn(conn)

    def _is_stale(self, conn: BoundConnection, now: float) -> bool:
        return conn.kept_since is not None and now - conn.kept_since >= self.keep_alive

    def reap(self) -> int:
        """Closes pooled connections that expired or that the other side closed; returns how many."""
        kept, now = self.pool, time.monotonic()
        if kept is None:
            return 0
        with kept.mutex:
            ends = [
                conn
                for conn in kept.queue
                if isinstance(conn, BoundConnection)
                and conn.sock is not None
                and (self._is_stale(conn, now) or is_connection_dropped(conn))
            ]
            if ends:
                # The pool is last in, first out: live connections go last to be taken first. None stands for a new
                # connection.
                alive = [conn for conn in kept.queue if conn is not None and conn not in ends]
                kept.queue[:] = [None] * (len(kept.queue) - len(alive)) + alive
        for conn in ends:
            conn.close()
        return len(ends)


class BoundHTTPPool(BoundPool):
    ConnectionCls = BoundConnection


class BoundHTTPSPool(BoundPool, HTTPSConnectionPool):
    ConnectionCls = BoundHTTPSConnection


class UnixPool(BoundPool):
    scheme = UNIX
    ConnectionCls = _UnixConnection

    def __init__(self, host: str, port: int | None = None, **options: Any) -> None:
        super().__init__(host, port, **{name: value for name, value in options.items() if name not in SSL_KEYWORDS})


POOLS = {"http": BoundHTTPPool, "https": BoundHTTPSPool, UNIX: UnixPool}
