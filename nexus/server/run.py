"""The process: from settings to a served port and back, with its signals and its exit code.

Law: a first signal stops, a second one ends at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from nexus import __version__
from nexus.auth.jwks import MissingPyJwt
from nexus.commands.demo import demo_text, reachable, what_to_paste
from nexus.commands.warnings import warnings
from nexus.limits.redis_client import MissingRedis
from nexus.server import memory
from nexus.server.descriptors import raise_limit, shortage
from nexus.server.listeners import Listeners, listen
from nexus.server.listening import CannotListen, base_url
from nexus.server.running import start
from nexus.server.tls import TlsError
from nexus.settings import Settings
from nexus.telemetry import logs
from nexus.upstream.tls import authorities_from_environment

log = logging.getLogger("nexus")


def serve(settings: Settings, *, demo: bool) -> int:
    """Serves until a signal; returns the exit code."""
    logs.take_over()
    memory.tune()
    limit = raise_limit()
    try:
        listeners = listen(settings.server)
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if (short := shortage(limit, settings.server.worker_threads)) is not None:
        log.warning(short)
    try:
        return asyncio.run(_serve(settings, listeners, demo=demo))
    except (MissingPyJwt, MissingRedis, TlsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        listeners.remove_files()


async def _serve(settings: Settings, listeners: Listeners, *, demo: bool) -> int:
    running = start(settings, listeners.calls, listeners.health)
    _announce(settings, listeners, demo=demo)
    await _on_signals().wait()
    await running.stop()
    log.info("stopped")
    if running.server.workers.busy:
        # A worker that hangs in a name lookup cannot be woken; the interpreter would wait for it.
        logging.shutdown()
        os._exit(0)
    return 0


def _on_signals() -> asyncio.Event:
    """Set by the first SIGTERM, SIGINT or SIGHUP; a second one of the first two ends the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    told: list[int] = []

    def received(number: int) -> None:
        if told:
            logging.shutdown()
            os._exit(128 + number)
        told.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
    # A terminal that is closed ends no call. Under nohup the signal is ignored, and stays so.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    return stop


def _announce(settings: Settings, listeners: Listeners, *, demo: bool) -> None:
    secure = settings.server.tls is not None
    bases = [base_url(sock, secure=secure) for sock in listeners.calls]
    # Clients call a host; of Unix sockets only other programs of this machine know what to do with them.
    base = next((base for base in bases if base.startswith(("http:", "https:"))), bases[0])
    log.info(f"Nexus {__version__}")
    for line in what_to_paste(settings, base):
        log.info(line)
    if settings.server.health.enabled:
        at = base_url(listeners.health[0]) if listeners.health else base
        log.info(f"health: {reachable(at)}{settings.server.health.path}")
    for other in bases:
        if other != base:
            log.info(f"also listening: {other}")
    if named := authorities_from_environment():
        log.info(f"certificate authorities: from {' and '.join(named)}")
    for warning in warnings(settings):
        log.warning(warning)
    if demo:
        sys.stdout.write(demo_text(base))
        sys.stdout.flush()
