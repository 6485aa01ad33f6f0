"""Graceful shutdown: report "not ready", stop listening, wait for calls in flight, end the remaining ones.

The order ensures that a load balancer that polls ``/ready`` never sends a call to a closed port.
"""

from __future__ import annotations

import asyncio
import logging

from nexus.errors import Draining
from nexus.server.http import HttpServer
from nexus.server.lifecycle import Phase
from nexus.server.server import STOPPING, Server
from nexus.settings import ServerSettings

log = logging.getLogger("nexus")

_LAST_SECONDS = 1.0
"""Seconds for ended calls to send their error to their clients."""


async def drain(server: Server, http: HttpServer, own: ServerSettings) -> None:
    """Shuts down; returns when every connection is closed."""
    lifecycle = server.lifecycle
    lifecycle.phase = Phase.LEAVING
    # Not if other processes keep listening: clients reach those.
    if own.drain_delay and lifecycle.is_alone:
        log.info("draining: still listening, no longer ready", extra={"fields": {"drain_delay_s": own.drain_delay}})
        await asyncio.sleep(own.drain_delay)
    http.stop()
    lifecycle.phase = Phase.DRAINING
    log.info("stopping", extra={"fields": {"calls": len(server.calls), "drain_timeout_s": own.drain_timeout}})
    if not await lifecycle.idle(own.drain_timeout):
        await end_calls(server, http)
    await http.close_all_connections()


async def end_calls(server: Server, http: HttpServer, seconds: float = _LAST_SECONDS) -> None:
    """Ends all calls and requests with an error; waits up to ``seconds`` for the errors to be sent."""
    server.lifecycle.phase = Phase.ENDING
    log.warning("aborting the calls that did not finish", extra={"fields": {"calls": len(server.calls)}})
    for state in list(server.calls.values()):
        state.call.cancel.throw(Draining(STOPPING, retry_after=1))
    http.refuse_unread(Draining(STOPPING, retry_after=1))
    await server.lifecycle.idle(seconds)
