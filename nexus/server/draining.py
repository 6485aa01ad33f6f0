"""The end of a server: it says that it goes, listens no more, lets calls end, ends the rest.

In that order, so that a load balancer that asks ``/ready`` never sends a call to where nobody listens.
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
"""How long ended calls get to say so to their clients."""


async def drain(server: Server, http: HttpServer, own: ServerSettings) -> None:
    """Returns when nothing is connected any more."""
    lifecycle = server.lifecycle
    lifecycle.phase = Phase.LEAVING
    # Where others listen on, clients find them.
    if own.drain_delay and lifecycle.is_alone:
        log.info("stopping: still listening, no longer ready", extra={"fields": {"drain_delay_s": own.drain_delay}})
        await asyncio.sleep(own.drain_delay)
    http.stop()
    lifecycle.phase = Phase.DRAINING
    log.info("stopping", extra={"fields": {"calls": len(server.calls), "drain_timeout_s": own.drain_timeout}})
    if not await lifecycle.idle(own.drain_timeout):
        await end_calls(server, http)
    await http.close_all_connections()


async def end_calls(server: Server, http: HttpServer, seconds: float = _LAST_SECONDS) -> None:
    """Tells the clients of all that still runs that it ends here, for so long."""
    server.lifecycle.phase = Phase.ENDING
    log.warning("aborting the calls that did not finish", extra={"fields": {"calls": len(server.calls)}})
    for state in list(server.calls.values()):
        state.call.cancel.throw(Draining(STOPPING, retry_after=1))
    http.refuse_unread(Draining(STOPPING, retry_after=1))
    await server.lifecycle.idle(seconds)
