"""Integration with a service manager such as systemd: socket activation and status notifications.

Source: sd_listen_fds(3), sd_notify(3), systemd.service(5), "Type=notify-reload". No systemd library is needed; without
a service manager this does nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from nexus.dataclasses import dataclass, field
from nexus.settings.listen import AnyAddress, ListenAddress, UnixAddress

_FIRST_DESCRIPTOR = 3
HEALTH = "health"
"""``FileDescriptorName=`` of the socket for health endpoints; all others are for calls."""


class BadSocket(Exception):
    """A descriptor that was passed in is not a listening socket."""


class Notifier:
    """Notifies the service manager. Does nothing without an address; never raises or blocks."""

    def __init__(self, address: str = "") -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._is_notified = address.startswith(("/", "@"))

    def ready(self, status: str) -> None:
        self._notify("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        self._notify(f"STATUS={status}")

    def reloading(self) -> None:
        """Call ``ready`` when the reload is over, whether or not it succeeded."""
        self._notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reading the configuration")

    def stopping(self) -> None:
        self._notify("STOPPING=1", "STATUS=draining: waiting for running calls")

    def _notify(self, *lines: str) -> None:
        if not self._is_notified:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), self._address)


@dataclass(frozen=True, slots=True)
class Service:
    """``calls`` and ``health`` are listening sockets; the service manager closes them and removes their files."""

    notifier: Notifier = field(default_factory=Notifier)
    calls: Sequence[socket.socket] = ()
    health: Sequence[socket.socket] = ()

    @property
    def addresses(self) -> tuple[AnyAddress, ...]:
        """The addresses of the passed sockets, which replace ``server.listen_address``."""
        return tuple(_address_of(sock) for sock in self.calls)


def service_of(environ: Mapping[str, str], pid: int) -> Service:
    """Takes over the sockets passed to this process. Raises BadSocket."""
    notifier = Notifier(environ.get("NOTIFY_SOCKET", ""))
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(pid) or not count.isdecimal():
        return Service(notifier)
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    calls: list[socket.socket] = []
    health: list[socket.socket] = []
    for at in range(int(count)):
        sock = _take(_FIRST_DESCRIPTOR + at)
        (health if names[at : at + 1] == [HEALTH] else calls).append(sock)
    return Service(notifier, calls, health)


def _take(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
        listens = sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise BadSocket(f"descriptor {descriptor} from systemd is not a socket") from error
    if not listens:
        raise BadSocket(f"descriptor {descriptor} from systemd does not listen; use ListenStream=")
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _address_of(sock: socket.socket) -> AnyAddress:
    name = sock.getsockname()
    return UnixAddress(os.fsdecode(name)) if sock.family == socket.AF_UNIX else ListenAddress(name[0], name[1])
