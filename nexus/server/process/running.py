"""A running server, from its start to the end of its last call.

Law: the loop thread never waits for workers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from tornado.ioloop import PeriodicCallback

from nexus.accounting.books import Books
from nexus.accounting.database import DatabaseError
from nexus.accounting.spent import spent_in
from nexus.accounting.state import prepared
from nexus.errors import Draining, Overloaded
from nexus.processes.cpu_affinity import open_affinity
from nexus.response_store.store import ANSWERS, IDS, bounds_of
from nexus.server import memory
from nexus.server.app import make_app, make_health_app, make_metrics_app
from nexus.server.http_server import CurrentApp, HttpServer
from nexus.server.lifecycle import ServerPhase
from nexus.server.runtime import Runtime, build
from nexus.server.server import STOPPING, Server
from nexus.server.shared_state import Member
from nexus.server.sockets.listeners import Listeners
from nexus.settings import Settings
from nexus.settings.server import listed_groups
from nexus.telemetry.otel import open_exporting

log = logging.getLogger("nexus.server")

REAP = 10.0
"""Seconds between checks for idle upstream connections, free memory and other prices. A check takes microseconds."""

LAST_SECONDS = 1.0
"""Seconds for ended calls to send their error to their clients."""

TELLING, RECORDING = 0.3, 0.3
"""Seconds for the errors and the usage of calls in flight if the process is to end at once."""

BEAT = 1.0
"""Seconds between two beats of the process."""


def start(settings: Settings, listeners: Listeners, store: str | None = None) -> Running:
    """Starts serving; call it on the loop. ``store`` is the URL of the usage store. Raises CannotServe."""
    running = prepare(settings, prepared(settings) if store is None else store)
    # With several workers, the supervisor reads the configuration and counts this instead.
    running.server.meters.started()
    running.listen(listeners)
    return running


def prepare(settings: Settings, store: str, member: Member | None = None) -> Running:
    """Does all but listen; ``store`` is the URL of the usage store, ``member`` is given in a worker process. Raises
    CannotServe."""
    server = Server(settings.server, Books(store, lasts=store == settings.origin.store), member)
    running = Running(server, build(settings, server.kept))
    server.export(open_exporting(settings.telemetry))
    running.restored = restore(server, running.runtime)
    # Logs a wrong address or password now, not at the first call.
    server.workers.start(server.kept.limits.store.ping)
    return running


def restore(server: Server, runtime: Runtime, *, again: bool = False) -> bool:
    """Restores what was spent of budgets from the usage store, after a restart or for budgets that a reload added;
    returns False if the store cannot be read. ``again``: an earlier attempt failed.

    Blocks briefly.
    """
    budgets, books = runtime.gateway.admission.budgets, server.books
    if budgets is None or books.ledger is None:
        return True
    if again and not books.ledger.fails:
        # So that what was spent meanwhile is read too.
        books.ledger.flush()
    if again and books.ledger.fails:
        return False
    try:
        with books.reading() as database:
            charges = spent_in(database, budgets.periods)
        server.kept.limits.store.restore(budgets.spent(charges))
    except (DatabaseError, Overloaded) as error:
        if not again:
            words = "budgets start from zero until the usage store can be read"
            log.error(words, extra={"fields": {"why": str(error)}})
        return False
    if again:
        log.info("budgets again include what was spent before")
    return True


class Running:
    """``server`` stays; the runtime may be replaced. Health and metrics at separate addresses answer until the end."""

    def __init__(self, server: Server, runtime: Runtime) -> None:
        self.server = server
        self.restored = True
        """Whether budgets include what was spent before the start."""
        self._current = CurrentApp(make_app(server, runtime))
        self.http = HttpServer(self._current, server.lifecycle)
        self.http.share = server.lifecycle.share
        self._separate = [(make, CurrentApp(make(server, runtime))) for make in (make_health_app, make_metrics_app)]
        self._separate_http = [HttpServer(current, server.lifecycle, plain=True) for _, current in self._separate]
        server.show(enabled=runtime.settings.server.shows_dashboard)
        self._reaper = PeriodicCallback(self._reap, REAP * 1000)
        self._pulse = Pulse(self._beat)
        self._affinity = open_affinity()
        runtime.start()

    def listen(self, listeners: Listeners) -> None:
        self.http.add_sockets(listeners.calls)
        self.server.lifecycle.phase = ServerPhase.SERVING
        for http, sockets in zip(self._separate_http, (listeners.health, listeners.metrics), strict=True):
            http.add_sockets(sockets)
        self._reaper.start()
        self._pulse.start()
        self._count()
        self.runtime.warm()

    @property
    def runtime(self) -> Runtime:
        return self._current.app.runtime

    def adopt(self, runtime: Runtime) -> None:
        """Switches to another configuration from the next request on; requests in flight keep theirs."""
        before, own, server = self.runtime, runtime.settings.server, self.server
        self._current.app = make_app(server, runtime)
        for make, current in self._separate:
            current.app = make(server, runtime)
        kept = server.kept
        for store, name in ((kept.answers, ANSWERS), (kept.ids, IDS)):
            store.bounds = bounds_of(own.response_store, name)
        server.flight.limit = server.flight_limit(own)
        server.disk.limit = server.disk_limit(own)
        server.show(enabled=own.shows_dashboard)
        runtime.start()
        runtime.warm()
        self._count()
        before.uses.retire()
        with suppress(Overloaded):
            server.workers.start(memory.collect)

    async def stop(self) -> None:
        """Shuts down gracefully: reports "not ready", stops accepting, waits for calls in flight, ends the remaining
        ones. In this order, a load balancer that polls ``/ready`` never sends a call to a closed port.
        """
        await self._drain()
        for http in self._separate_http:
            http.stop()
            await http.close_all_connections()
        self._reaper.stop()
        self._pulse.stop()
        if (exporting := self.server.exporting) is not None:
            # Not on a worker, because all of them may hang.
            await asyncio.get_running_loop().run_in_executor(None, exporting.close)
        self.server.stop_threads()
        self.runtime.uses.close()
        self.server.kept.close()
        self.server.books.close()

    async def _drain(self) -> None:
        """Returns when every connection for calls is closed."""
        lifecycle, own = self.server.lifecycle, self.runtime.settings.server
        lifecycle.phase = ServerPhase.LEAVING
        # Not if other processes keep listening: clients reach those.
        if own.drain_delay and lifecycle.is_alone:
            log.info("draining: still listening, no longer ready", extra={"fields": {"drain_delay_s": own.drain_delay}})
            await asyncio.sleep(own.drain_delay)
        self.http.stop()
        lifecycle.phase = ServerPhase.DRAINING
        log.info("stopping", extra={"fields": {**self._unfinished, "drain_timeout_s": own.drain_timeout}})
        if not await lifecycle.idle(own.drain_timeout):
            await self.end_calls()
        await self.http.close_all_connections()

    async def end_calls(self, seconds: float = LAST_SECONDS) -> None:
        """Ends all calls and requests with an error; waits up to ``seconds`` for the errors to be sent."""
        self.server.lifecycle.phase = ServerPhase.ENDING
        log.warning("aborting the calls that did not finish", extra={"fields": self._unfinished})
        for state in list(self.server.calls.values()):
            state.call.cancel.throw(Draining(STOPPING, retry_after=1))
        self.http.refuse_unread(Draining(STOPPING, retry_after=1))
        await self.server.lifecycle.idle(seconds)

    @property
    def _unfinished(self) -> dict[str, object]:
        return {"calls": len(self.server.calls), "uploads": len(self.http.unread)}

    async def end_at_once(self) -> None:
        """Ends all calls with an error and records them, for a process that ends then. Blocks for the second part."""
        await self.end_calls(TELLING)
        if self.server.books.ledger is not None:
            self.server.books.ledger.flush(RECORDING)

    def _count(self) -> None:
        """Applies the metrics settings."""
        settings, meters = self.runtime.settings.server, self.server.meters
        meters.enabled = settings.metrics.enabled
        meters.groups = frozenset(listed_groups(settings))
        self.server.sample()

    def _beat(self, late: float) -> None:
        """Runs every second; ``late`` is by how many seconds the loop's timer was late."""
        self.server.meters.late(late)
        self.server.sample()
        self.server.probe_redis()
        self._pin_to_core()

    def _pin_to_core(self) -> None:
        if self._affinity is None:
            return
        try:
            if self.runtime.settings.server.cpu_affinity:
                self._affinity.tick()
            else:
                self._affinity.release()
        except (OSError, ValueError) as error:
            log.warning("this process cannot be kept on one core", extra={"fields": {"why": str(error)}})
            self._affinity = None

    def _reap(self) -> None:
        self.runtime.reap()
        with suppress(Overloaded):
            # Prices that depend on the time may have changed, and a first call would still get the old ones.
            self.runtime.prices.start()
        if self.server.flight.has_released(memory.TRIM_AFTER) or self.http.closed >= memory.TRIM_CLOSED:
            self.http.closed = 0
            with suppress(Overloaded):
                self.server.workers.start(memory.trim)
        if not self.restored:
            with suppress(Overloaded):
                self.server.query_workers.start(self._restore_again)

    def _restore_again(self) -> None:
        self.restored = restore(self.server, self.runtime, again=True)


class Pulse:
    """A timer that measures how late the loop is. Loop thread only; a beat takes microseconds."""

    def __init__(self, beat: Callable[[float], None]) -> None:
        """``beat`` is called with the seconds by which the timer was late."""
        self._beat = beat
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + BEAT
        self._timer = loop.call_at(self._due, self._late)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _late(self) -> None:
        self._beat(asyncio.get_running_loop().time() - self._due)
        self.start()
