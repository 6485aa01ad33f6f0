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
from nexus.protocols.loader import preload
from nexus.server import memory
from nexus.server.process import worker
from nexus.server.process.announce import Urls, announce
from nexus.server.process.reload import SERVING, Reloader
from nexus.server.process.rereading import Rereading
from nexus.server.process.running import Running, start
from nexus.server.process.signals import end_now, has_terminal
from nexus.server.process.source import Source
from nexus.server.process.supervisor import Orders, Supervisor
from nexus.server.sockets.descriptors import raise_limit, shortage
from nexus.server.sockets.listeners import Listeners, listen
from nexus.server.sockets.service import Notifier, Service
from nexus.settings import Settings, registry
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
                return _supervise(Rereading(source, settings), listeners, service.notifier, count, up, store)
            return asyncio.run(_serve(settings, source, listeners, service.notifier, up, store))
    except CannotServe as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        listeners.remove_files()


def _supervise(
    rereading: Rereading, listeners: Listeners, notifier: Notifier, count: int, up: Callable[[], None], store: str
) -> int:
    settings = rereading.settings
    # Import before forking, once for all workers.
    preload()
    for table in settings.llm.providers.values():
        registry.load(table.type)
    orders = Orders(count, partial(worker.run, listeners, store), up)
    code = Supervisor(orders, listeners, rereading, notifier).run()
    log.info("stopped")
    return code


async def _serve(
    settings: Settings, source: Source, listeners: Listeners, notifier: Notifier, up: Callable[[], None], store: str
) -> int:
    running = start(settings, listeners, store)
    memory.settle()
    reloader = Reloader(source, running, notifier)
    # Before the announcement: whoever reads that may send a signal at once.
    stop, signals = _on_signals(reloader.request, running)
    up()
    notifier.ready(SERVING)
    await stop.wait()
    notifier.stopping()
    await reloader.stop()
    await running.stop()
    log.info("stopped")
    code = 128 + signals[1] if len(signals) > 1 else 0
    if running.server.workers.busy or reloader.busy or code:
        end_now(code)
    return 0


def _on_signals(reload: Callable[[], None], running: Running) -> tuple[asyncio.Event, list[int]]:
    """Returns an event that the first SIGTERM or SIGINT sets, or SIGHUP if the terminal was closed, and the signals. A
    second SIGTERM or SIGINT ends the process at once. Any other SIGHUP reloads."""
    stop = asyncio.Event()
    had_terminal = has_terminal()
    loop = asyncio.get_running_loop()
    signals: list[int] = []
    ending: list[asyncio.Task[None]] = []

    async def end(code: int) -> None:
        await running.end_at_once()
        end_now(code)

    def received(number: int) -> None:
        signals.append(number)
        stop.set()
        if len(signals) == 2:
            ending.append(loop.create_task(end(128 + number)))
        elif len(signals) > 2:
            end_now(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)

    def hung_up() -> None:
        if had_terminal and not has_terminal():
            stop.set()
        else:
            reload()

    # Under nohup SIGHUP is ignored, and must stay so.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, hung_up)
    return stop, signals
