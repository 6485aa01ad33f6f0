"""The listening sockets: for calls, and for health and metrics at separate addresses."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from nexus.dataclasses import dataclass, field
from nexus.server.sockets.listening import LISTEN, SocketFile, bind_all, files_of, remove_files
from nexus.server.sockets.service import Service
from nexus.settings.listen import AnyAddress
from nexus.settings.problems import CannotServe
from nexus.settings.server import ServerSettings

LISTEN_HEALTH = ("server", "health", "listen")
LISTEN_METRICS = ("server", "metrics", "listen_address")


@dataclass(frozen=True, slots=True)
class Listeners:
    """``health`` and ``metrics`` are empty if they have no separate address; ``files`` are those of Unix sockets."""

    calls: list[socket.socket]
    health: list[socket.socket] = field(default_factory=list)
    metrics: list[socket.socket] = field(default_factory=list)
    files: list[SocketFile] = field(default_factory=list)

    def remove_files(self) -> None:
        remove_files(self.files)

    def close(self) -> None:
        self.remove_files()
        self.close_sockets()

    def close_sockets(self) -> None:
        """Closes this process's copies; processes that inherited them keep listening."""
        for sock in self.sockets:
            sock.close()

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return (*self.calls, *self.health, *self.metrics)


def listen(settings: ServerSettings, service: Service | None = None) -> Listeners:
    """Listens at all addresses, or at none if one fails. Sockets from a service manager replace configured addresses.

    Raises CannotServe.
    """
    given, bound = service or Service(), Listeners([])
    wanted: list[tuple[tuple[str, ...], list[socket.socket], Sequence[socket.socket], Sequence[AnyAddress]]] = [
        (LISTEN, bound.calls, given.calls, settings.listen_address),
        (LISTEN_HEALTH, bound.health, given.health, _own(settings.health.listen, settings.health.enabled)),
        (LISTEN_METRICS, bound.metrics, (), _own(settings.metrics.listen_address, settings.metrics.enabled)),
    ]
    for path, sockets, handed_over, addresses in wanted:
        if handed_over:
            continue
        try:
            sockets += bind_all(addresses, settings.socket_mode, path)
        except CannotServe:
            bound.files.extend(files_of([*bound.calls, *bound.health]))
            bound.close()
            raise
    bound.files.extend(files_of([*bound.calls, *bound.health, *bound.metrics]))
    return Listeners([*given.calls, *bound.calls], [*given.health, *bound.health], bound.metrics, bound.files)


def _own(addresses: Sequence[AnyAddress] | None, enabled: bool) -> Sequence[AnyAddress]:
    return addresses or () if enabled else ()
