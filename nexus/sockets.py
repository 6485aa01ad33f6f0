"""HTTP connections whose socket can be shut down from another thread while one thread blocks in it.

Law: a socket is bound to the cancel switch of the call that uses it from before its connect until the connection goes
back to the pool, and never longer: what is shut down is always our own. ``shutdown`` ends a blocked read within a
millisecond where ``close`` does not. Only ``transport`` uses this file; it is the one that leans on urllib3's insides.
"""

from __future__ import annotations

import functools
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from nexus.cancel import Cancel


class Binding:
    """Ties the socket in use to a call's switch; throwing the switch shuts it down."""

    def __init__(self, cancel: Cancel) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False
        self.connected = False
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

    def set_timeout(self, seconds: float) -> None:
        """For the thread that reads; a socket already closed has nothing left to wait for."""
        with self._lock:
            if self._socket is not None and self._socket.fileno() >= 0:
                self._socket.settimeout(seconds)

    def release(self) -> None:
        """The socket is about to serve somebody else, or to be closed."""
        self.hold(None)
        self.unbind()


class _Current(threading.local):
    """The exchange of this thread: urllib3 opens connections without saying for whom."""

    binding: Binding | None = None
    patience: float | None = None


current = _Current()


def _open(connection: HTTPConnection) -> socket.socket:
    """A connected socket, bound before it connects; tries each address within one connect timeout."""
    host, timeout = connection._dns_host, connection.timeout
    deadline = time.monotonic() + timeout if isinstance(timeout, int | float) else None
    try:
        addresses = socket.getaddrinfo(host.strip("[]"), connection.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NameResolutionError(host, connection, error) from error  # type: ignore[arg-type]
    failure: OSError = OSError("the name has no address")
    for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        sock = socket.socket(family, kind, protocol)
        try:
            # A share each: a first address that swallows packets must not use up the others' time.
            sock.settimeout(None if deadline is None else max(0.001, (deadline - time.monotonic()) / left))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if current.binding is not None:
                current.binding.hold(sock)
            sock.connect(address)
        except OSError as error:
            if current.binding is not None:
                current.binding.hold(None)
            sock.close()
            failure = error
        else:
            return sock
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, f"no connection within {timeout} s") from failure
    raise NewConnectionError(connection, str(failure)) from failure


class _Bound(HTTPConnection):
    """The half that both schemes share."""

    binding: Binding | None = None
    once = False
    """Whether the request asked the other side to close; nobody waits for it to do so."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.binding = current.binding
        self.once = (kwargs.get("headers") or {}).get("connection") == "close"
        if self.sock is None:
            self.connect()
        if self.sock is not None:
            # The connect timeout must not bound the sending of a large body; urllib3 sets this one on the socket.
            self.timeout = current.patience
            if self.binding is not None:
                self.binding.connected = True
                self.binding.hold(self.sock)
        super().request(*args, **kwargs)

    def release(self) -> None:
        if self.binding is not None:
            self.binding.release()
            self.binding = None


class BoundHTTPConnection(_Bound):
    def _new_conn(self) -> socket.socket:
        return _open(self)


class BoundHTTPSConnection(_Bound, HTTPSConnection):
    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock = _open(self)
        if current.binding is not None:
            # Wrapping for TLS takes the descriptor out of ``sock``; a duplicate stays good during the handshake.
            self._handle = socket.socket(fileno=os.dup(sock.fileno()))
            current.binding.hold(self._handle)
        return sock

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            handle, self._handle = self._handle, None
            if handle is not None and current.binding is not None:
                current.binding.hold(None)
                handle.close()


class _Releasing(HTTPConnectionPool):
    """Lets go of a connection's call before the next call can take the connection."""

    def _put_conn(self, conn: Any) -> None:
        if isinstance(conn, _Bound):
            conn.release()
            if conn.once:
                conn.close()
        super()._put_conn(conn)


class _ConnectedSSLSocket(ssl.SSLSocket):
    """Wraps connected sockets only.

    The standard class takes one that was shut down a moment ago for one that will connect later, skips the handshake
    and is then left open by whoever asks it for a certificate.
    """

    def getpeername(self) -> Any:
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionAbortedError("shut down before the handshake") from error


@functools.cache
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Verifies hosts against ``ca_file`` or the public authorities; made once, since reading those takes its time."""
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.sslsocket_class = _ConnectedSSLSocket
    return context


class BoundHTTPPool(_Releasing):
    ConnectionCls = BoundHTTPConnection


class BoundHTTPSPool(_Releasing, HTTPSConnectionPool):
    ConnectionCls = BoundHTTPSConnection


POOLS = {"http": BoundHTTPPool, "https": BoundHTTPSPool}
