"""The serving process: its startup, signals and exit code.

The first SIGTERM or SIGINT stops it gracefully, the second one at once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from functools import partial

from nexus.accounting.state import usable_store
from nexus.processes.cores import worker_count
from nexus.server import memory
from nexus.server.process.announce import Urls, announce
from nexus.server.process.forked import end_now
from nexus.server.process.reload import SERVING, Reloader
from nexus.server.process.running import Running, start
from nexus.server.process.signals import has_terminal
from nexus.server.process.source import Source
from nexus.server.sockets.descriptors import raise_limit, shortage
from nexus.server.sockets.listeners import Listeners, listen
from nexus.server.sockets.service import Notifier, Service
from nexus.settings import Settings
from nexus.settings.problems import CannotServe
from nexus.telemetry import logs

log = logging.getLogger("nexus")


def serve(settings: Settings, source: Source, service: Service) -> int:
    """Serves until a signal stops it; returns the exit code."""
    logs.take_over()
    memory.tune()
    limit = raise_limit()
    try:
        listeners = listen(settings.server, service)
    except CannotServe as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    urls = Urls.of(settings, listeners)

    def up() -> None:
        announce(settings, urls, demo=source.file is None)
        if (short := shortage(limit, settings.server.worker_threads)) is not None:
            log.warning(short)

    try:
        count = worker_count(settings.server.workers)
        with usable_store(settings, count) as store:
            if count > 1:
                return _supervise(settings, source, listeners, service.notifier, count, up, store)
            return asyncio.run(_serve(settings, source, listeners, service.notifier, up, store))
    except CannotServe as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        listeners.remove_files()


def _supervise(
    settings: Settings,
    source: Source,
    listeners: Listeners,
    notifier: Notifier,
    count: int,
    up: Callable[[], None],
    store: str,
) -> int:
    """Serves with ``count`` worker processes and their supervisor."""
    # One process needs none of these.
    from nexus.protocols.loader import preload
    from nexus.server.process import worker
    from nexus.server.process.rereading import Rereading
    from nexus.server.process.supervisor import Supervisor, Workforce
    from nexus.settings import registry

    # Before forking, once for all workers.
    preload()
    for table in settings.llm.providers.values():
        registry.load(table.type)
    workforce = Workforce(count, partial(worker.run, listeners, store), up)
    code = Supervisor(workforce, listeners, Rereading(source, settings), notifier).run()
    log.info("stopped")
    return code


async def _serve(
    settings: Settings, source: Source, listeners: Listeners, notifier: Notifier, up: Callable[[], None], store: str
) -> int:
    running = start(settings, listeners, store)
    memory.settle()
    reloader = Reloader(source, running, notifier)
    # Before the announcement: whoever reads that may send a signal at once.
    signals = _StopSignals(running, reloader.request)
    up()
    notifier.ready(SERVING)
    await signals.stop.wait()
    notifier.stopping()
    await reloader.stop()
    await running.stop()
    log.info("stopped")
    if running.server.workers.busy or reloader.busy or signals.exit_code:
        end_now(signals.exit_code)
    return 0


class _StopSignals:
    """``stop`` is set by the first SIGTERM or SIGINT, or by SIGHUP if the terminal was closed; other SIGHUPs reload.
    A second SIGTERM or SIGINT ends the process at once."""

    def __init__(self, running: Running, reload: Callable[[], None]) -> None:
        self.stop = asyncio.Event()
        self._running = running
        self._reload = reload
        self._had_terminal = has_terminal()
        self._received: list[int] = []
        self._ending: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        # Under nohup SIGHUP is ignored, and must stay so.
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    @property
    def exit_code(self) -> int:
        """0 unless a second signal came."""
        return 128 + self._received[1] if len(self._received) > 1 else 0

    def _stop(self, number: int) -> None:
        self._received.append(number)
        self.stop.set()
        if len(self._received) == 2:
            self._ending = asyncio.get_running_loop().create_task(self._end_at_once())
        elif len(self._received) > 2:
            end_now(128 + number)

    async def _end_at_once(self) -> None:
        await self._running.end_at_once()
        end_now(self.exit_code)

    def _hung_up(self) -> None:
        if self._had_terminal and not has_terminal():
            self.stop.set()
        else:
            self._reload()
