"""Opens the TCP or Unix socket of an exchange, so that a cancelled call stops waiting at once.

A socket is passed to ``Binding.hold`` before it connects, and released if connecting fails.
"""

from __future__ import annotations

import importlib
import socket
import time
from typing import Any

from nexus.upstream.address import Socks
from nexus.upstream.binding import Binding
from nexus.upstream.resolver import NameLookupFailed

# Seconds: the kernel probes an idle connection after KEEPALIVE_IDLE, then every KEEPALIVE_INTERVAL, and takes it for
# dead if sent data is not acknowledged within DEAD.
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES = 60, 60, 5
DEAD = 60


def dial(host: str, port: int, binding: Binding) -> socket.socket:
    """A connected socket; tries each address within one timeout. Raises OSError, or the reason of a cancelled call."""
    deadline = time.monotonic() + binding.connect
    socks = binding.socks
    if socks is not None and socks.remote_names:
        return _connect(_socks_socket(socks), (host, port), binding.connect, binding)
    binding.phase = "dns"
    try:
        addresses = binding.resolver.addresses(host, port, binding.connect, binding.cancel)
    except OSError as error:
        raise NameLookupFailed(*error.args) from error
    binding.phase = "connect"
    failure: OSError | None = None
    for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        # Each address gets a share of the timeout, so that one that drops packets leaves time for the others.
        share = max(0.001, (deadline - time.monotonic()) / left)
        try:
            sock = socket.socket(family, kind, protocol) if socks is None else _socks_socket(socks)
            return _connect(sock, address if socks is None else address[:2], share, binding)
        except OSError as error:
            # The resolver puts addresses that cannot be reached from here last.
            failure = failure or error
    raise failure or OSError("the name has no address")


def dial_unix(path: str, binding: Binding) -> socket.socket:
    return _connect(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path, binding.connect, binding)


def _connect(sock: socket.socket, address: Any, seconds: float, binding: Binding) -> socket.socket:
    try:
        sock.settimeout(seconds)
        set_options(sock)
        binding.hold(sock)
        sock.connect(address)
    except BaseException:
        binding.hold(None)
        sock.close()
        raise
    return sock


def set_options(sock: socket.socket, dead: float = DEAD) -> None:
    """Disables Nagle's algorithm, and lets the kernel detect peers that vanished, on idle and on busy connections: they
    acknowledge nothing for ``dead`` seconds. Does nothing for a Unix socket."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPALIVE", KEEPALIVE_IDLE),  # its name on macOS
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", int(dead * 1000)),
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
