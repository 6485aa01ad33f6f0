"""A server that accepts requests on the running loop, from its start to the end of its last call.

Law: the loop thread never waits for workers.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress

from tornado.ioloop import PeriodicCallback

from nexus.bridge import Full
from nexus.response_store.responses import bounds_of
from nexus.response_store.vendor_ids import id_bounds_of
from nexus.server import memory
from nexus.server.app import make_app, make_health_app
from nexus.server.draining import drain
from nexus.server.http import CurrentApp, HttpServer
from nexus.server.lifecycle import Phase
from nexus.server.runtime import Runtime, build
from nexus.server.server import Server
from nexus.settings import Settings

REAP = 10.0
"""Seconds between two looks at what nobody uses: upstream connections, memory. A look takes microseconds."""


def start(
    settings: Settings, sockets: Sequence[socket.socket], health_sockets: Sequence[socket.socket] = ()
) -> Running:
    """Serves what the settings describe; call it on the loop. Raises MissingPyJwt, MissingRedis and TlsError."""
    running = prepare(Server(settings.server), settings)
    running.listen(sockets, health_sockets)
    return running


def prepare(server: Server, settings: Settings) -> Running:
    """All but listening. Raises MissingPyJwt and TlsError."""
    running = Running(server, build(settings, server.kept))
    # A wrong address or password is said now, not at the first call.
    server.workers.start(server.kept.limits.store.ping)
    return running


class Running:
    """``server`` stays, the runtime may be replaced. Where health has an address of its own, it answers to the end."""

    def __init__(self, server: Server, runtime: Runtime) -> None:
        self.server = server
        self._current = CurrentApp(make_app(server, runtime))
        self._current_health = CurrentApp(make_health_app(server, runtime))
        self.http = HttpServer(self._current, server.lifecycle)
        self.http.share = server.lifecycle.share
        self._health = HttpServer(self._current_health, server.lifecycle, plain=True)
        server.recorder.enabled = runtime.settings.server.shows_dashboard
        self._reaper = PeriodicCallback(self._reap, REAP * 1000)
        runtime.start()

    def listen(self, sockets: Sequence[socket.socket], health_sockets: Sequence[socket.socket]) -> None:
        self.http.add_sockets(sockets)
        self.server.lifecycle.phase = Phase.SERVING
        self._health.add_sockets(health_sockets)
        self._reaper.start()

    @property
    def runtime(self) -> Runtime:
        """What the next request begins with."""
        return self._current.app.runtime

    def adopt(self, runtime: Runtime) -> None:
        """Serves another configuration from the next request on; requests that run keep theirs."""
        before, own, server = self.runtime, runtime.settings.server, self.server
        self._current.app = make_app(server, runtime)
        self._current_health.app = make_health_app(server, runtime)
        kept = server.kept
        kept.answers.bounds, kept.ids.bounds = bounds_of(own.response_store), id_bounds_of(own.response_store)
        server.flight.limit = server.flight_limit(own)
        server.disk.limit = server.disk_limit(own)
        server.recorder.enabled = own.shows_dashboard
        runtime.start()
        before.uses.retire()

    async def stop(self) -> None:
        """Accepts nothing more, lets calls end, ends the rest."""
        await drain(self.server, self.http, self.runtime.settings.server)
        self._health.stop()
        await self._health.close_all_connections()
        self._reaper.stop()
        self.server.workers.stop()
        self.server.aside.stop()
        self.runtime.uses.close()
        self.server.kept.close()

    def _reap(self) -> None:
        self.runtime.reap()
        if self.server.flight.let_go(memory.TRIM_AFTER):
            with suppress(Full):
                self.server.workers.start(memory.trim)
