"""Opens the TCP or Unix socket of an exchange, so that a cancelled call stops waiting at once.

A socket is passed to ``SocketHolder.hold`` before it connects, and released if connecting fails.
"""

from __future__ import annotations

import importlib
import socket
import time
from typing import Any, Protocol

from nexus.cancel import Cancel
from nexus.dataclasses import dataclass, field
from nexus.upstream.resolver import Resolver

# Seconds: the kernel probes an idle connection after KEEPALIVE_IDLE, then every KEEPALIVE_INTERVAL, and takes it for
# dead if sent data is not acknowledged within DEAD.
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES = 60, 60, 5
DEAD = 60


@dataclass(frozen=True, slots=True)
class Socks:
    """A SOCKS5 proxy; with ``remote_names`` the proxy resolves host names (``socks5h``)."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    remote_names: bool = False


class SocketHolder(Protocol):
    """Holds the socket while it connects."""

    cancel: Cancel
    phase: Any
    resolver: Resolver
    socks: Socks | None

    def hold(self, sock: socket.socket | None) -> None: ...


class NameLookupFailed(OSError):
    """The host name was not found, or not in time."""


def dial(host: str, port: int, seconds: float | None, holder: SocketHolder) -> socket.socket:
    """A connected socket; tries each address within one timeout. Raises OSError, or the reason of a cancelled call."""
    deadline = None if seconds is None else time.monotonic() + seconds
    socks = holder.socks
    if socks is not None and socks.remote_names:
        return _connect(_socks_socket(socks), (host, port), _left(deadline), holder)
    holder.phase = "dns"
    try:
        addresses = holder.resolver.addresses(host, port, seconds, holder.cancel)
    except OSError as error:
        raise NameLookupFailed(*error.args) from error
    holder.phase = "connect"
    failure: OSError | None = None
    for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        # Each address gets a share of the timeout, so that one that drops packets leaves time for the others.
        share = None if deadline is None else max(0.001, (deadline - time.monotonic()) / left)
        try:
            sock = socket.socket(family, kind, protocol) if socks is None else _socks_socket(socks)
            return _connect(sock, address if socks is None else address[:2], share, holder)
        except OSError as error:
            # The resolver puts addresses that cannot be reached from here last.
            failure = failure or error
    raise failure or OSError("the name has no address")


def dial_unix(path: str, seconds: float | None, holder: SocketHolder) -> socket.socket:
    return _connect(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path, seconds, holder)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.001, deadline - time.monotonic())


def _connect(sock: socket.socket, address: Any, seconds: float | None, holder: SocketHolder) -> socket.socket:
    try:
        sock.settimeout(seconds)
        if sock.family != getattr(socket, "AF_UNIX", None):
            _set_options(sock)
        holder.hold(sock)
        sock.connect(address)
    except BaseException:
        holder.hold(None)
        sock.close()
        raise
    return sock


def _set_options(sock: socket.socket) -> None:
    """Disables Nagle's algorithm, and lets the kernel detect peers that vanished, on idle and on busy connections."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPALIVE", KEEPALIVE_IDLE),  # its name on macOS
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", DEAD * 1000),
    ):
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _socks_socket(proxy: Socks) -> socket.socket:
    socks = importlib.import_module("socks")  # from the extra ``socks``; settings check that it is installed
    sock: socket.socket = socks.socksocket()
    sock.set_proxy(  # type: ignore[attr-defined]
        socks.SOCKS5, proxy.host, proxy.port, proxy.remote_names, proxy.username, proxy.password
    )
    return sock
