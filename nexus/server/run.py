"""From settings to a served port and back: start, signals, drain, exit code.

Law: the loop thread never waits for workers. Stopping means: accept nothing, let calls end, end the rest in their own
dialect, exit 0; a second signal ends at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from tornado.ioloop import PeriodicCallback

from nexus import __version__, registry
from nexus.auth.authenticator import Authenticator
from nexus.auth.jwks import MissingPyJwt
from nexus.bridge import Full, Workers
from nexus.commands.demo import demo_text, reachable, what_to_paste
from nexus.commands.warnings import warnings
from nexus.gateway.admission import Admission
from nexus.gateway.routing import Routes
from nexus.gateway.stages import Gateway
from nexus.limits.redis_client import MissingRedis
from nexus.limits.stores import make_store
from nexus.provider import Provider
from nexus.response_store.responses import answers_of
from nexus.response_store.responses import make_store as make_response_store
from nexus.response_store.store import Store as ResponseStore
from nexus.response_store.vendor_ids import make_id_store, vendor_ids_of
from nexus.server import memory
from nexus.server.app import make_app, make_health_app
from nexus.server.context import ServerContext
from nexus.server.descriptors import raise_limit, shortage
from nexus.server.draining import drain
from nexus.server.flight import BytesInFlight, default_limit
from nexus.server.guards import Guards
from nexus.server.http import Server
from nexus.server.lifecycle import Lifecycle, Phase
from nexus.server.listeners import Listeners, listen
from nexus.server.listening import CannotListen, base_url
from nexus.server.shares import Share
from nexus.server.tls import TlsError, tls_context
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


@dataclass(slots=True)
class Running:
    """A server that accepts calls on the running loop."""

    context: ServerContext
    server: Server
    health: Server | None
    """Where health has an address of its own; it answers to the end."""

    providers: list[Provider]
    reaper: PeriodicCallback
    answers: ResponseStore | None
    ids: ResponseStore

    async def stop(self) -> None:
        """Accepts nothing more, lets calls end, ends the rest."""
        await drain(self.context, self.server)
        if self.health is not None:
            self.health.stop()
            await self.health.close_all_connections()
        self.reaper.stop()
        self.context.workers.stop()
        self.context.guards.authenticator.close()
        for provider in self.providers:
            provider.close()
        self.context.gateway.admission.store.close()
        for kept in (self.ids, self.answers):
            if kept is not None:
                kept.close()


def start(
    settings: Settings,
    sockets: list[socket.socket],
    health_sockets: Sequence[socket.socket] = (),
    share: Share | None = None,
) -> Running:
    """Builds the house that the settings describe and opens its door; call it on the loop."""
    own = settings.server
    tls = tls_context(own.tls) if own.tls is not None else None
    store = make_store(own.rate_limits.storage)
    authenticator = Authenticator.open(own.client_identification, own.keys, own.oauth)
    resource = own.oauth.protected_resource if own.oauth is not None else None
    hosts = own.hosts if own.is_local else None
    guards = Guards(authenticator, own.cors, own.csrf, own.client_ip, resource, hosts)
    tables = settings.llm.providers.items() if settings.llm.enabled else ()
    providers: list[Provider] = [registry.load(table.type)(name, table) for name, table in tables]
    admission = Admission(own.rate_limits, store)
    kept = make_response_store(own.response_store, own.rate_limits.storage)
    answers = partial(answers_of, store=kept, most=own.max_body_size)
    ids = make_id_store(own.response_store, own.rate_limits.storage)
    whose = partial(vendor_ids_of, store=ids, settings=own.response_store)
    flight = BytesInFlight(own.max_bytes_in_flight or default_limit())
    gateway = Gateway(Routes(providers, settings.llm.models), admission, answers, whose)
    context = ServerContext(settings, gateway, Workers(own.worker_threads), guards, flight, Lifecycle(share))
    server = Server(make_app(context), context, tls)
    server.share = share
    server.add_sockets(sockets)
    context.lifecycle.phase = Phase.SERVING
    health = _serve_health(context, health_sockets)
    if store.blocks:
        # A wrong address or password is said now, not at the first call.
        context.workers.start(store.ping)
    for provider in providers:
        provider.start(logs.hide)
    reaper = PeriodicCallback(partial(_reap, providers, context), REAP * 1000)
    reaper.start()
    return Running(context, server, health, providers, reaper, kept, ids)


def _serve_health(context: ServerContext, sockets: Sequence[socket.socket]) -> Server | None:
    if not sockets:
        return None
    health = Server(make_health_app(context), context, None)
    health.add_sockets(sockets)
    return health


REAP = 10.0
"""Seconds between two looks at what nobody uses: upstream connections, memory. A look takes microseconds."""


def _reap(providers: list[Provider], context: ServerContext) -> None:
    for provider in providers:
        provider.reap()
    if context.flight.let_go(memory.TRIM_AFTER):
        with suppress(Full):
            context.workers.start(memory.trim)


async def _serve(settings: Settings, listeners: Listeners, *, demo: bool) -> int:
    running = start(settings, listeners.calls, listeners.health)
    _announce(settings, listeners, demo=demo)
    await _on_signals().wait()
    await running.stop()
    log.info("stopped")
    if running.context.workers.busy:
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
