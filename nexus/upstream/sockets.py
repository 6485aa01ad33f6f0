"""HTTP connections whose socket can be shut down from another thread while one thread blocks in it.

Law: a socket is bound to the cancel switch of the call that uses it from before its connect until the connection goes
back to the pool, and never longer: what is shut down is always our own. ``shutdown`` ends a blocked read within a
millisecond where ``close`` does not. Only ``transport`` uses this file; it is the one that leans on urllib3's insides.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import unquote

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import SSL_KEYWORDS
from urllib3.util.connection import is_connection_dropped

from nexus.cancel import Cancel
from nexus.upstream.clock import Clock, ClockedSource
from nexus.upstream.dial import NameLookupFailed, Socks, dial, dial_unix
from nexus.upstream.http_head import TRAILERS, StrictResponse
from nexus.upstream.request import UNIX
from nexus.upstream.resolver import Resolver

Phase = Literal["dns", "connect", "proxy", "tls", "send", "first byte", "body"]
"""How far an exchange came."""


class Binding:
    """Ties the socket in use to a call's switch; throwing the switch shuts it down.

    ``phase`` tells how far the exchange came; ``clock`` bounds its reads. A connection that is ``spoiled`` serves no
    further exchange.
    """

    def __init__(
        self, cancel: Cancel, connect: float, first_byte: float, resolver: Resolver, socks: Socks | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False
        self.cancel = cancel
        self.first_byte = first_byte
        self.resolver = resolver
        self.socks = socks
        self.clock = Clock(connect)
        self.phase: Phase = "connect"
        self.reused = False
        self.spoiled = False
        self.unbind: Callable[[], None] = cancel.add(self._shut_down)

    def hold(self, sock: socket.socket | None) -> None:
        with self._lock:
            self._socket = sock
            cut = self._cut
        if cut:
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            self._cut = True
            if self._socket is not None:
                try:
                    # Not SSLSocket.shutdown: it would take the TLS object away from the thread that reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    return  # already gone: nobody blocks in it

    def sent(self) -> None:
        """The request is out: the answer has so long to begin."""
        self.phase = "first byte"
        self.clock.begin(self.first_byte)

    def release(self) -> None:
        """The socket is about to serve somebody else, or to be closed."""
        self.hold(None)
        self.unbind()


class _Current(threading.local):
    """The exchange of this thread: urllib3 opens connections without saying for whom."""

    binding: Binding | None = None
    fresh = False
    """Whether a kept connection must not serve."""


current = _Current()


class BoundResponse(StrictResponse):
    """An answer whose reads are bounded by the clock of its exchange."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self._binding = _holder()
        super().__init__(ClockedSource(sock, self._binding.clock), *args, **kwargs)  # type: ignore[arg-type]

    def _read_and_discard_trailer(self) -> None:
        self._binding.clock.end_within(TRAILERS)
        super()._read_and_discard_trailer()

    def spoil(self) -> None:
        self._binding.spoiled = True


class _Bound(HTTPConnection):
    """The half that both schemes share."""

    response_class = BoundResponse
    binding: Binding | None = None
    once = False
    """Whether the request asked the other side to close; nobody waits for it to do so."""

    kept_since: float | None = None
    """Monotonic time at which it came back to the pool; None where it has not served yet."""

    def _new_conn(self) -> socket.socket:
        with _in_urllib3_words(self):
            return dial(self._dns_host.strip("[]"), self.port, _seconds(self.timeout), _holder())

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.binding = current.binding
        self.once = (kwargs.get("headers") or {}).get("connection") == "close"
        if self.binding is not None:
            self.binding.phase = "connect"
            self.binding.reused = self.sock is not None and self.kept_since is not None
        self.kept_since = None
        if self.sock is None:
            self.connect()
        if self.sock is not None and self.binding is not None:
            # The connect timeout must not bound the sending of a large body; urllib3 sets this one on the socket.
            self.timeout = self.binding.first_byte
            self.binding.hold(self.sock)
            self.binding.phase = "send"
        super().request(*args, **kwargs)
        if self.binding is not None:
            self.binding.sent()

    def close(self) -> None:
        self.kept_since = None
        super().close()

    def release(self) -> None:
        if self.binding is not None:
            self.once = self.once or self.binding.spoiled
            self.binding.release()
            self.binding = None


def _holder() -> Binding:
    """Every exchange of a transport has one."""
    assert current.binding is not None
    return current.binding


def _seconds(timeout: Any) -> float | None:
    return timeout if isinstance(timeout, int | float) else None


@contextmanager
def _in_urllib3_words(connection: HTTPConnection) -> Iterator[None]:
    """Failures of connecting in urllib3's words, so that its pools and proxies treat them as such."""
    try:
        yield
    except NameLookupFailed as error:
        raise NameResolutionError(connection.host, connection, error) from error  # type: ignore[arg-type]
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, "no connection in time") from error
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error


class BoundHTTPSConnection(_Bound, HTTPSConnection):
    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if current.binding is not None:
            # Wrapping for TLS takes the descriptor out of ``sock``; a duplicate stays good during the handshake.
            self._handle = socket.socket(fileno=os.dup(sock.fileno()))
            current.binding.hold(self._handle)
            current.binding.phase = "tls" if self._tunnel_host is None else "proxy"
            sock.settimeout(current.binding.clock.allowed())
        return sock

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            handle, self._handle = self._handle, None
            if handle is not None and current.binding is not None:
                current.binding.hold(None)
                handle.close()


class _UnixConnection(_Bound):
    """Its host is the percent-encoded path of a Unix socket."""

    def _new_conn(self) -> socket.socket:
        with _in_urllib3_words(self):
            return dial_unix(unquote(self.host), _seconds(self.timeout), _holder())


class _Keeping(HTTPConnectionPool):
    """Keeps connections for the next call, each for ``keep_alive`` seconds at most; never waits for one."""

    keep_alive: float = 50.0

    def _get_conn(self, timeout: float | None = None) -> Any:
        # A fresh one takes a place in the pool too; else there is none for it afterwards.
        conn = super()._get_conn(timeout)
        if isinstance(conn, _Bound) and (current.fresh or self._is_stale(conn, time.monotonic())):
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        """Lets go of a connection's call before the next call can take the connection."""
        if isinstance(conn, _Bound):
            conn.release()
            if conn.once:
                conn.close()
            elif conn.sock is not None:
                conn.kept_since = time.monotonic()
        super()._put_conn(conn)

    def _is_stale(self, conn: _Bound, now: float) -> bool:
        return conn.kept_since is not None and now - conn.kept_since >= self.keep_alive

    def reap(self) -> int:
        """Closes the kept connections that are too old or that the other side closed; how many."""
        kept, now = self.pool, time.monotonic()
        if kept is None:
            return 0
        with kept.mutex:
            ends = [
                conn
                for conn in kept.queue
                if isinstance(conn, _Bound)
                and conn.sock is not None
                and (self._is_stale(conn, now) or is_connection_dropped(conn))
            ]
            if ends:
                # What lives comes last, for the last one is taken first; an empty place stands for a new connection.
                alive = [conn for conn in kept.queue if conn is not None and conn not in ends]
                kept.queue[:] = [None] * (len(kept.queue) - len(alive)) + alive
        for conn in ends:
            conn.close()
        return len(ends)


class BoundHTTPPool(_Keeping):
    ConnectionCls = _Bound


class BoundHTTPSPool(_Keeping, HTTPSConnectionPool):
    ConnectionCls = BoundHTTPSConnection


class UnixPool(_Keeping):
    scheme = UNIX
    ConnectionCls = _UnixConnection

    def __init__(self, host: str, port: int | None = None, **options: Any) -> None:
        super().__init__(host, port, **{name: value for name, value in options.items() if name not in SSL_KEYWORDS})


POOLS = {"http": BoundHTTPPool, "https": BoundHTTPSPool, UNIX: UnixPool}
