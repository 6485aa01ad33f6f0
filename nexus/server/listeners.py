"""The sockets that the settings ask for: one set for calls, one for health where that has an address of its own."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from nexus.server.listening import CannotListen, SocketFile, bind_all, files_of, remove_files
from nexus.server.service import Service
from nexus.settings.server import ServerSettings

LISTEN = ("server", "listen_address")
LISTEN_HEALTH = ("server", "health", "listen")


@dataclass(frozen=True, slots=True)
class Listeners:
    """``health`` is empty where calls are served at the same address; ``files`` are those of Unix sockets."""

    calls: list[socket.socket]
    health: list[socket.socket] = field(default_factory=list)
    files: list[SocketFile] = field(default_factory=list)

    def remove_files(self) -> None:
        remove_files(self.files)

    def close(self) -> None:
        self.remove_files()
        self.close_sockets()

    def close_sockets(self) -> None:
        """Of this process; others that have them listen on."""
        for sock in (*self.calls, *self.health):
            sock.close()


def listen(settings: ServerSettings, service: Service | None = None) -> Listeners:
    """Listens everywhere, or nowhere; what a service manager hands over takes the place of what the settings name.

    Raises CannotListen.
    """
    given = service or Service()
    calls = [] if given.calls else bind_all(settings.listen_address, settings.socket_mode)
    own = settings.health.listen if settings.health.enabled and not given.health else None
    try:
        health = bind_all(own or (), settings.socket_mode)
    except CannotListen as error:
        Listeners(calls, files=files_of(calls)).close()
        error.path = LISTEN_HEALTH
        raise
    return Listeners([*given.calls, *calls], [*given.health, *health], files_of([*calls, *health]))
