"""State that lives as long as the process, across reloads: workers, calls in flight, bytes in flight.

A call is in ``calls`` from its start until both the client and the worker are done with it.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from nexus.accounting.activity import Activity
from nexus.accounting.books import Books
from nexus.accounting.record import CallRecord, Consumer
from nexus.accounting.recorder import Recorder, RemoteActivity
from nexus.errors import Draining, Overloaded
from nexus.processes.counter_rows import Rows
from nexus.relay.call_state import CallState
from nexus.server.bridge import Bell
from nexus.server.http.body import AT_ONCE
from nexus.server.in_flight import BytesInFlight, default_limit
from nexus.server.lifecycle import Lifecycle, ServerPhase
from nexus.server.runtime import Kept
from nexus.server.shared_state import Member
from nexus.server.threads import Workers
from nexus.settings import ServerSettings
from nexus.telemetry.access_log import log_call
from nexus.telemetry.metrics import catalog
from nexus.telemetry.metrics.meters import Meters, row_name

if TYPE_CHECKING:
    from nexus.accounting.calendar import Calendar
    from nexus.telemetry.otel.exporting import Exporting

log = logging.getLogger("nexus.server")

STOPPING = "the gateway is stopping"
BUSY = "all worker threads of the gateway are busy; retry in a moment, or raise server.worker_threads"
MANY_QUERIES = "too many queries at once; retry in a moment"

IN_FLIGHT = row_name(catalog.IN_FLIGHT)

FLUSH_AFTER = 0.05
"""Seconds for which finished calls are batched before they are recorded for the dashboard. Waiting records displace
other data from the processor's cache: batches of a second cost a busy process two percent."""

QUERY_THREADS = 4
"""Threads for the dashboard, usage and metrics, so that these work when all workers are busy."""

LONGEST_WAIT = 15.0
"""Maximum seconds that a caller waits for the identity provider's keys; the fetch itself times out earlier."""


class Server:
    """``consumers`` are called with every finished call; ``kept`` is the state that survives a reload."""

    def __init__(self, settings: ServerSettings, books: Books, member: Member | None = None) -> None:
        """Records usage in ``books``. ``member`` is given if several processes serve. Raises CannotServe."""
        self.kept = Kept.of(settings, books.owners, member)
        self.processes = 1 if member is None else member.count
        self.workers = Workers(settings.worker_threads, BUSY)
        self.work = self.workers.work
        self.flight = BytesInFlight(self.flight_limit(settings))
        self.disk = BytesInFlight(self.disk_limit(settings))
        self.lifecycle = Lifecycle(None if member is None else member.share)
        self.books = books
        self.rows, part = (Rows(), None) if member is None else (member.rows, member.part)
        part = part or self.rows.parts[0]
        self.meters = Meters(part)
        self._running = part.row(IN_FLIGHT, 1, ends=True)
        self.meters.enabled = settings.metrics.enabled
        self.kept.router.cooldowns.on_start = self.meters.cooldown
        self.kept.limits.decided = self.meters.decided
        self.query_workers, self._flusher = Workers(QUERY_THREADS, MANY_QUERIES), Workers(1)
        self.recorder = Recorder(Activity() if member is None else RemoteActivity(member.link), self._flush_soon)
        self.consumers: tuple[Consumer, ...] = (log_call, self.recorder.add, self.meters.add, books)
        self.exporting: Exporting | None = None
        self.calls: dict[str, CallState] = {}

    @cached_property
    def calendar(self) -> Calendar:
        # Imported here, because only the dashboard reads it.
        from nexus.accounting.calendar import Calendar

        return Calendar(self.books)

    @cached_property
    def bell(self) -> Bell:
        return Bell(asyncio.get_running_loop())

    def sample(self) -> None:
        """Samples the gauges, if there are metrics."""
        if not self.meters.enabled:
            return
        self.meters.set(catalog.UP, self.lifecycle.phase >= ServerPhase.SERVING)
        self.meters.set(catalog.BUSY, self.workers.busy)
        self.meters.set(catalog.THREADS, self.workers.limit)
        self.meters.set(catalog.WITHOUT_REDIS, self.kept.limits.store.is_cut_off)
        if self.books.ledger is not None:
            self.meters.lost(self.books.ledger.lost)

    def probe_redis(self) -> None:
        """Notices that the Redis of limits is back, also if no calls come."""
        store = self.kept.limits.store
        if store.is_cut_off:
            with suppress(Overloaded):
                self.workers.start(store.ping)

    def flight_limit(self, settings: ServerSettings) -> int:
        """This process's part of the limit for bytes of all request bodies."""
        return (settings.max_bytes_in_flight or default_limit()) // self.processes

    def disk_limit(self, settings: ServerSettings) -> int:
        """This process's part of the limit for bytes of all forms on disk."""
        return AT_ONCE * settings.max_upload_size // self.processes

    @staticmethod
    async def wait(future: Future[None]) -> None:
        """Waits for a shared future, up to LONGEST_WAIT seconds: neither cancels it nor raises its error."""
        await asyncio.wait([asyncio.wrap_future(future)], timeout=LONGEST_WAIT)

    def export(self, exporting: Exporting | None) -> None:
        """Exports finished calls to a collector from now on, if there is one."""
        if exporting is not None:
            self.exporting = exporting
            self.consumers = (*self.consumers, exporting.consume)

    def enter(self, state: CallState) -> None:
        """Registers a call. Raises Draining once the calls in flight are being ended."""
        if self.lifecycle.phase is ServerPhase.ENDING:
            raise Draining(STOPPING, retry_after=1)
        self.calls[state.call.id] = state
        self._running[0] = len(self.calls)
        self.lifecycle.enter(state.call.id)

    def leave(self, state: CallState) -> None:
        self.calls.pop(state.call.id, None)
        self._running[0] = len(self.calls)
        self.lifecycle.leave(state.call.id)

    @property
    def in_flight(self) -> int:
        """The number of calls in flight in all processes."""
        return self.rows.total(IN_FLIGHT)

    def show(self, *, enabled: bool) -> None:
        """Sets whether finished calls are recorded for the dashboard."""
        if enabled and not self.recorder.enabled:
            # Start the thread now rather than during a later call.
            self._flush()
        self.recorder.enabled = enabled

    def _flush_soon(self) -> None:
        asyncio.get_running_loop().call_later(FLUSH_AFTER, self._flush)

    def _flush(self) -> None:
        try:
            self._flusher.start(self.recorder.flush)
        except Overloaded:
            self._flush_soon()

    def stop_threads(self) -> None:
        """Stops the thread pools and the bell without waiting; results of running jobs are ignored."""
        for threads in (self.workers, self.query_workers, self._flusher):
            threads.stop()
        self.bell.close()

    def finished(self, record: CallRecord) -> None:
        """Passes a finished call to all consumers; if one fails, the others still get it."""
        for consumer in self.consumers:
            try:
                consumer(record)
            except Exception:
                log.exception("a finished call could not be counted", extra={"fields": {"id": record.id}})
